import { type GradientJob, makePayload, type PartResult, queueNames, type TrainingPlan, type WorkerPhases } from '@layermill/contracts'
import {
  addJobs,
  type Broker,
  type Exchange,
  exchangePrefix,
  type JobEvents,
  type JobQueue,
  type JobState,
  parameterKeys,
  parseFailedReason,
  resultKeys,
} from '@layermill/queue'
import { LayermillError, receivedCode, type Tensor, WakeableSleep } from '@layermill/core'
import { PhaseSums } from '../run/phase-sums.js'
import type { TimedGradients } from './environment.js'
import type { BatchStatistics, MicroBatchGradients, MicroBatchScores, PublishedParameters } from '@layermill/training'

type Purpose = GradientJob['purpose']

/** Result of a finished job besides the tensors in the exchange. */
interface JobResult {
  readonly samples: number
  readonly loss: string
  readonly correct: number
  readonly phases?: PartResult['phases']
}

export interface QueueGradientsOptions {
  readonly broker: Broker
  readonly exchange: Exchange
  readonly plan: TrainingPlan
  /** URL of the run's store. */
  readonly storeUrl: string
  /** Names this term: no other has had it. */
  readonly session: string
  /** Micro-batches on the queue, or in the exchange, at once: bounds the exchange's memory. Default 16. */
  readonly inFlight?: number
  /** Milliseconds between looks at the queue for events that were lost. Default 5,000. */
  readonly reconcileInterval?: number
  /** Milliseconds without a result after which `behind` looks at the queue. Default 5,000. */
  readonly behindAfter?: number
}

/** Milliseconds after which parameters are put into the exchange again: well before they expire there. */
const refreshInterval = 15 * 60_000

/** Milliseconds without a result after which it is looked whether other runs' micro-batches are before this one's. */
const behindAfter = 5000

/** States of jobs that no worker has yet. */
const waiting = ['waiting', 'delayed', 'prioritized'] as const

/** How often a micro-batch may fail because the exchange has lost its parameters before the run does. */
const mostLosses = 3

/** A job that is on the queue. */
interface Outstanding {
  readonly micro: number
  readonly data: GradientJob
  result: JobResult | undefined
}

/** Of a job's return value: an object, or its JSON where the queue keeps text. */
function resultOf(value: unknown): JobResult | undefined {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value
  return typeof parsed === 'object' && parsed !== null && 'samples' in parsed && 'loss' in parsed ? (parsed as JobResult) : undefined
}

function statisticsOf(tensors: ReadonlyMap<string, Tensor>): Map<string, BatchStatistics> {
  const result = new Map<string, BatchStatistics>()
  for (const [name, { data }] of tensors) {
    if (!name.endsWith('/mean')) continue
    const norm = name.slice(0, -'/mean'.length)
    result.set(norm, { mean: data, variance: tensors.get(`${norm}/variance`)!.data })
  }
  return result
}

/**
 * Micro-batches by the workers of a queue. Events are hints: what they do not say is looked up after an interval, and what the queue or
 * the exchange has lost is put there again.
 */
export class QueueGradients implements TimedGradients {
  private phases = new PhaseSums()
  private readonly queue: JobQueue<GradientJob, JobResult>
  private readonly events: JobEvents
  private readonly outstanding = new Map<string, Outstanding>()
  /** Earlier terms of the run whose jobs were still on the queue: a worker may be at one and leave its result yet. */
  private readonly earlier = new Set<string>()
  /** How often jobs of this step failed for what the exchange has lost, and those that are to be queued again for it. */
  private readonly losses = new Map<string, number>()
  private readonly lost = new Set<string>()
  private published: PublishedParameters | undefined
  private publishedAt = 0
  private failure: LayermillError | undefined
  private readonly pause = new WakeableSleep()
  /** When something was last heard of this run's micro-batches. */
  private heard = performance.now()

  private constructor(private readonly options: QueueGradientsOptions) {
    this.queue = options.broker.queue(queueNames.gradients)
    this.events = options.broker.events(queueNames.gradients)
    this.events.on('completed', ({ jobId, returnvalue }) => this.onCompleted(jobId, returnvalue))
    this.events.on('failed', ({ jobId, failedReason }) => this.onFailed(jobId, failedReason))
  }

  /** Takes what earlier terms of the run left off the queue and out of the exchange. */
  static async open(options: QueueGradientsOptions): Promise<QueueGradients> {
    const source = new QueueGradients(options)
    await source.events.waitUntilReady()
    await source.removeEarlier()
    return source
  }

  async publish(published: PublishedParameters): Promise<void> {
    const old = this.published
    this.published = published
    if (old?.version === published.version) return
    await this.putParameters()
    if (old !== undefined) await this.options.exchange.delete(...Object.values(parameterKeys(this.where, old.version)))
  }

  async *gradients(step: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchGradients> {
    for await (const { data, result } of this.follow('train', step, count, signal)) {
      const { values, statistics } = resultKeys(data)
      const moving = this.options.plan.statistics.length > 0
      const [gradients, moved = new Map<string, Tensor>()] = await this.take(data, moving ? [values, statistics] : [values], signal)
      const { samples, loss, correct } = result
      yield { samples, loss: Number(loss), correct, gradients: gradients!, batchNorm: statisticsOf(moved) }
    }
  }

  async *evaluate(round: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchScores> {
    for await (const { data, result } of this.follow('evaluate', round, count, signal)) {
      const [scores] = await this.take(data, [resultKeys(data).values], signal)
      const logits = scores?.get('logits')
      if (logits === undefined) throw new LayermillError('EXCHANGE_CORRUPT', `there are no scores in the result of piece ${data.micro}`)
      yield { samples: result.samples, loss: Number(result.loss), correct: result.correct, logits }
    }
  }

  takePhases(): WorkerPhases[] {
    const told = this.phases.list()
    this.phases = new PhaseSums()
    return told
  }

  recycle(): void {
    // Memory comes from the exchange's decoding, which makes its own.
  }

  async behind(): Promise<string | undefined> {
    if (this.outstanding.size === 0 || performance.now() - this.heard < (this.options.behindAfter ?? behindAfter)) return undefined
    const active = await this.queue.getJobs(['active'])
    if (active.some(job => job.id?.startsWith(this.own))) return undefined
    return active.find(job => job.id !== undefined)?.data.run
  }

  async close(): Promise<void> {
    // Another term may be at the run by now: what is not known to be older than this one stays.
    for (const session of [this.options.session, ...this.earlier]) {
      const { run } = this.where
      // A job of an earlier term may have failed for the parameters that were removed: that is nobody's failure.
      const states = session === this.options.session ? waiting : [...waiting, 'failed' as const]
      await this.removeJobs(`${run}_${session}_`, states).catch(() => undefined)
      await this.options.exchange.deleteBelow(exchangePrefix({ run, session })).catch(() => undefined)
    }
    await this.events.close().catch(() => undefined)
  }

  private get where(): { run: string; session: string } {
    return { run: this.options.plan.run, session: this.options.session }
  }

  private async putParameters(): Promise<void> {
    const { exchange, plan } = this.options
    const { version, parameters, statistics } = this.published!
    const keys = parameterKeys(this.where, version)
    if (statistics.size > 0) await exchange.put(keys.statistics, statistics)
    await exchange.put(keys.parameters, parameters, { dtype: plan.exchange })
    this.publishedAt = performance.now()
  }

  /** Queues micro-batches with a bounded number under way, and gives back their results in order. */
  private async *follow(
    purpose: Purpose,
    step: number,
    count: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ data: GradientJob; result: JobResult }> {
    const window = this.options.inFlight ?? 16
    const onAbort = (): void => this.pause.wake()
    signal.addEventListener('abort', onAbort)
    let added = 0
    this.heard = performance.now()
    try {
      for (let micro = 0; micro < count; micro++) {
        const room = Math.min(count, micro + window)
        if (added < room) await this.add(Array.from({ length: room - added }, (_, i) => this.job(purpose, step, added + i)))
        added = Math.max(added, room)
        const data = this.job(purpose, step, micro)
        const result = await this.completion(this.jobId(data), signal)
        this.phases.add({ images: result.samples, failed: 0, phases: result.phases })
        yield { data, result }
        this.outstanding.delete(this.jobId(data))
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (this.outstanding.size > 0) await this.removeJobs(this.own).catch(() => undefined)
      this.outstanding.clear()
      this.losses.clear()
      this.lost.clear()
    }
  }

  private job(purpose: Purpose, step: number, micro: number): GradientJob {
    const { storeUrl } = this.options
    return makePayload('gradient', { v: 1, ...this.where, store: storeUrl, purpose, step, micro, version: this.published!.version })
  }

  private jobId({ run, session, purpose, step, micro }: GradientJob): string {
    return `${run}_${session}_${purpose}_${step}_${micro}`
  }

  private async add(jobs: readonly GradientJob[]): Promise<void> {
    for (const data of jobs) this.outstanding.set(this.jobId(data), { micro: data.micro, data, result: undefined })
    const options = { removeOnComplete: { count: 200, age: 600 } }
    await addJobs(
      this.queue,
      jobs.map(data => ({ name: data.purpose, data, opts: { ...options, jobId: this.jobId(data) } })),
    )
  }

  /** Waits for a job's result. @throws the signal's reason; LayermillError where a job failed for good */
  private async completion(id: string, signal: AbortSignal): Promise<JobResult> {
    const interval = this.options.reconcileInterval ?? 5000
    for (;;) {
      signal.throwIfAborted()
      if (this.failure !== undefined) throw this.failure
      const result = this.outstanding.get(id)?.result
      if (result !== undefined) return result
      // Tensors in the exchange expire, and scoring many images with one version may take long.
      if (performance.now() - this.publishedAt > refreshInterval) await this.putParameters()
      const timedOut = await this.pause.sleep(interval)
      if (timedOut || this.lost.size > 0) await this.reconcile()
    }
  }

  /** Looks at the jobs whose end nobody told, and queues again those that are gone, with the parameters that went with them. */
  private async reconcile(): Promise<void> {
    const gone: GradientJob[] = []
    for (const [id, { data, result }] of this.outstanding) {
      if (result !== undefined) continue
      // A job that failed would keep another of its id from being added.
      if (this.lost.delete(id)) await (await this.queue.getJob(id))?.remove()
      // First the state, then the job: one read before its end does not say how it ended.
      const state = await this.queue.getJobState(id)
      if (state === 'unknown') gone.push(data)
      if (state !== 'completed' && state !== 'failed') continue
      const job = await this.queue.getJob(id)
      if (job === undefined) continue
      if (state === 'completed') this.onCompleted(id, job.returnvalue)
      else this.onFailed(id, job.failedReason)
    }
    if (gone.length === 0) return
    await this.putParameters()
    await this.add(gone)
  }

  private onCompleted(id: string, value: unknown): void {
    const job = this.outstanding.get(id)
    const result = resultOf(value)
    if (job === undefined || result === undefined) return
    job.result = result
    this.heard = performance.now()
    this.pause.wake()
  }

  private onFailed(id: string, reason: string): void {
    const job = this.outstanding.get(id)
    if (job === undefined) return
    const { code, message, hint } = parseFailedReason(reason)
    const losses = this.losses.get(id) ?? 0
    if (code === 'EXCHANGE_MISSING' && losses < mostLosses) {
      this.losses.set(id, losses + 1)
      this.lost.add(id)
      this.pause.wake()
      return
    }
    const text = `micro-batch ${job.micro} of step ${job.data.step}: ${message}`
    this.failure ??= new LayermillError(receivedCode(code), text, hint === undefined ? {} : { hint })
    this.pause.wake()
  }

  /**
   * A result's tensors, which are deleted: nobody needs them again. Where some are gone though the job is done (an exchange that was wiped)
   * it is computed once more.
   */
  private async take(data: GradientJob, keys: readonly string[], signal: AbortSignal): Promise<Map<string, Tensor>[]> {
    const { exchange } = this.options
    const read = (): Promise<Map<string, Tensor>[]> => Promise.all(keys.map(key => exchange.get(key)))
    let tensors: Map<string, Tensor>[]
    try {
      tensors = await read()
    } catch (error) {
      if (!(error instanceof LayermillError && error.code === 'EXCHANGE_MISSING')) throw error
      await this.again(data, signal)
      tensors = await read()
    }
    await exchange.delete(...keys)
    return tensors
  }

  private async again(data: GradientJob, signal: AbortSignal): Promise<void> {
    const id = this.jobId(data)
    // A finished job would keep another of its id from being added.
    await (await this.queue.getJob(id))?.remove()
    await this.putParameters()
    await this.add([data])
    await this.completion(id, signal)
  }

  /** Prefix of the ids of this term's jobs: another one may be at the run by the time that this one leaves. */
  private get own(): string {
    return `${this.options.plan.run}_${this.options.session}_`
  }

  private async removeEarlier(): Promise<void> {
    const { run } = this.where
    const start = `${run}_`
    const jobs = await this.queue.getJobs(['active', ...waiting])
    for (const { id = '' } of jobs) if (id.startsWith(start)) this.earlier.add(id.slice(start.length).split('_')[0]!)
    await this.removeJobs(start)
    await this.options.exchange.deleteBelow(exchangePrefix({ run }))
  }

  private async removeJobs(prefix: string, states: readonly JobState[] = waiting): Promise<void> {
    const jobs = await this.queue.getJobs([...states])
    await Promise.all(jobs.filter(job => job.id?.startsWith(prefix)).map(job => job.remove().catch(() => undefined)))
  }
}
