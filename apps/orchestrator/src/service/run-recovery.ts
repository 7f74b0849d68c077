import type { RunJob, RunRecord } from '@layermill/contracts'
import { errorMessage } from '@layermill/core'
import type { RunEnvironment } from '../run/environment.js'
import { readRunRecord } from '../run/record-store.js'
import { runJobOptions, type RunQueue } from './run-jobs.js'

const liveStates = ['active', 'waiting', 'prioritized', 'delayed'] as const

export interface RunRecoveryOptions {
  readonly openStore: RunEnvironment['openStore']
  readonly note?: ((text: string) => void) | undefined
  /** Milliseconds between looks. Default 15 s. */
  readonly interval?: number | undefined
}

interface Known {
  readonly data: RunJob
  /** When it was first seen, in milliseconds. */
  readonly seen: number
}

/** Job that takes a run up again. That of a run that is done asks for nothing: it lets those who follow the run know that it is. */
function goingOnWith(data: RunJob, { state }: RunRecord): RunJob {
  if (state !== 'done') return { ...data, resume: true }
  return { v: data.v, run: data.run, store: data.store, resume: true }
}

/**
 * Keeps in mind which runs a queue has, and queues again those that it forgot: a server that lost its data, or a failover that lost the
 * last writes. The store decides: a run that was cancelled there is left alone, and one that is done is only told. Several orchestrators do so beside each other: a run's job
 * has the run's id, and is added once.
 */
export class RunRecovery {
  private readonly known = new Map<string, Known>()
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> | undefined

  constructor(
    private readonly queue: RunQueue,
    private readonly options: RunRecoveryOptions,
  ) {}

  start(): void {
    void this.look()
    this.timer = setInterval(() => void this.look(), this.options.interval ?? 15_000)
    this.timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.timer)
    this.known.clear()
    await this.looking
  }

  /** A run that this process takes up. */
  saw(id: string, data: RunJob): void {
    this.known.set(id, { data, seen: this.known.get(id)?.seen ?? Date.now() })
  }

  /** Compares the queue with what is known. Never rejects: a queue that is away is looked at again later. */
  look(): Promise<void> {
    this.looking ??= this.lookNow()
      .catch(() => undefined)
      .finally(() => {
        this.looking = undefined
      })
    return this.looking
  }

  private async lookNow(): Promise<void> {
    const live = new Map<string, RunJob>()
    for (const state of liveStates) {
      for (const job of await this.queue.getJobs([state])) if (job?.id !== undefined) live.set(job.id, job.data)
    }
    for (const [id, known] of this.known) if (!live.has(id)) await this.missed(id, known)
    for (const [id, data] of live) this.saw(id, data)
  }

  private async missed(id: string, { data, seen }: Known): Promise<void> {
    const job = await this.queue.getJob(id)
    const state = await job?.getState()
    if (state === 'completed' || state === 'failed') return void this.known.delete(id)
    // It changed its state while the lists were read.
    if (job !== undefined) return
    try {
      const record = await this.record(data.store)
      const own = record?.id === id
      const replaces = record !== undefined && !own && data.spec?.overwrite === true && Date.parse(record.created) < seen
      const cancelled = data.cancel === true || (own && record.state === 'cancelled')
      if (cancelled || (record !== undefined && !own && !replaces)) return void this.known.delete(id)
      await this.queue.add(data.spec?.kind ?? 'run', own ? goingOnWith(data, record) : data, runJobOptions(id, data.store))
      this.options.note?.(`run ${id}: the queue had lost it; it is queued again and goes on from ${data.store}`)
    } catch (error) {
      this.options.note?.(`run ${id}: the queue has lost it, and it cannot be queued again yet: ${errorMessage(error)}`)
    }
  }

  private async record(url: string): Promise<Awaited<ReturnType<typeof readRunRecord>>> {
    await using store = await this.options.openStore(url)
    return await readRunRecord(store)
  }
}
