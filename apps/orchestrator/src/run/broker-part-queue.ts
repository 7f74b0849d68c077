import { makePayload, type PartJob, type PartResult, queueNames, type RunRecord } from '@layermill/contracts'
import { type Broker, type JobEvents, type JobQueue, parseFailedReason } from '@layermill/queue'
import { PartShares } from './part-shares.js'
import type { PartEvent, PartQueue } from './part-queue.js'

const isResult = (value: unknown): value is PartResult =>
  typeof value === 'object' &&
  value !== null &&
  'images' in value &&
  typeof value.images === 'number' &&
  'failed' in value &&
  typeof value.failed === 'number'

/** A job's return value: an object, or its JSON where the queue keeps text. */
function resultOf(value: unknown): PartResult | undefined {
  if (typeof value !== 'string') return isResult(value) ? value : undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return isResult(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** The parts of one run on a broker's queue. Ids tell the run and its generation, so that old jobs are not taken for new ones. */
export class BrokerPartQueue implements PartQueue {
  private readonly queue: JobQueue<PartJob, PartResult>
  private readonly prefix: string
  private events: JobEvents | undefined
  private listener: (event: PartEvent) => void = () => undefined
  /** Jobs that an earlier supervision started and that have not ended yet. */
  private readonly inherited = new Set<string>()
  private readonly shares: PartShares
  /** Jobs that were added and of which no end was heard. */
  private readonly added = new Set<number>()

  constructor(
    private readonly broker: Broker,
    private readonly record: RunRecord,
    private readonly storeUrl: string,
  ) {
    this.queue = broker.queue(queueNames.parts)
    this.prefix = `${record.id}_${record.generation}_`
    this.shares = new PartShares(this.queue, record.spec.priority ?? 'normal')
  }

  async adopt(): Promise<void> {
    for (const id of await this.jobIds('active')) this.inherited.add(id)
    // A failed job would keep another of its id from being added. Looked at last: what was active before may have failed since.
    for (const id of await this.jobIds('failed')) await this.forget(id)
  }

  async add(parts: readonly number[]): Promise<void> {
    const { id: run, generation } = this.record
    // Events before the subscription stands would be lost.
    await this.events?.waitUntilReady()
    const numbers = await this.shares.take(parts.length, this.added.size)
    for (const part of parts) this.added.add(part)
    await this.queue.addBulk(
      parts.map((part, i) => ({
        name: this.record.spec.kind,
        data: makePayload('part', { v: 1, run, store: this.storeUrl, part, generation }),
        opts: { jobId: this.jobId(part), priority: numbers[i]! },
      })),
    )
  }

  async missing(parts: readonly number[]): Promise<number[]> {
    const missing: number[] = []
    for (const part of parts) {
      const job = await this.queue.getJob(this.jobId(part))
      const state = await job?.getState()
      if (state === 'failed' && this.inherited.has(this.jobId(part))) {
        await this.forget(this.jobId(part))
        missing.push(part)
      } else if (state === 'failed') this.listener({ kind: 'failed', part, ...parseFailedReason(job?.failedReason ?? 'unknown') })
      else if (state === undefined || state === 'unknown' || state === 'completed') missing.push(part)
    }
    return missing
  }

  async again(parts: readonly number[]): Promise<void> {
    for (const part of parts) {
      const job = await this.queue.getJob(this.jobId(part))
      const state = await job?.getState()
      // A finished job would keep another of its id from being added.
      if (state === 'completed' || state === 'failed') await this.forget(this.jobId(part))
    }
    await this.add(parts)
  }

  async removeWaiting(): Promise<void> {
    const jobs = await this.queue.getJobs(['waiting', 'delayed', 'prioritized'])
    await Promise.all(jobs.filter(job => job.id?.startsWith(this.prefix)).map(job => job.remove().catch(() => undefined)))
  }

  subscribe(listener: (event: PartEvent) => void): () => void {
    this.listener = listener
    this.events ??= this.openEvents()
    return () => {
      this.listener = () => undefined
      void this.events?.close().catch(() => undefined)
      this.events = undefined
    }
  }

  private openEvents(): JobEvents {
    const events = this.broker.events(queueNames.parts)
    const send = (jobId: string, event: (part: number) => PartEvent | undefined): void => {
      if (!jobId.startsWith(this.prefix)) return
      const part = Number(jobId.slice(this.prefix.length))
      const made = event(part)
      if (made !== undefined && made.kind !== 'progress') this.added.delete(part)
      if (made !== undefined) this.listener(made)
    }
    const withResult =
      (kind: 'completed' | 'progress', value: unknown) =>
      (part: number): PartEvent | undefined => {
        const result = resultOf(value)
        return result === undefined ? undefined : { kind, part, result }
      }
    events.on('completed', ({ jobId, returnvalue }) => send(jobId, withResult('completed', returnvalue)))
    events.on('progress', ({ jobId, data }) => send(jobId, withResult('progress', data)))
    events.on('failed', ({ jobId, failedReason }) => {
      // A queue that is away just now does no harm: `missing` finds the job later.
      if (this.inherited.has(jobId)) void this.again([Number(jobId.slice(this.prefix.length))]).catch(() => undefined)
      else send(jobId, part => ({ kind: 'failed', part, ...parseFailedReason(failedReason) }))
    })
    return events
  }

  private async forget(id: string): Promise<void> {
    await this.queue.remove(id)
    this.inherited.delete(id)
  }

  private async jobIds(state: 'active' | 'failed'): Promise<string[]> {
    const jobs = await this.queue.getJobs([state])
    return jobs.map(({ id }) => id ?? '').filter(id => id.startsWith(this.prefix))
  }

  private jobId(part: number): string {
    return `${this.prefix}${part}`
  }
}
