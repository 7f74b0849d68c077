import { classify, type Failure } from '@layermill/core'
import { type Broker, handBack, type JobWorker, type QueuedJob, toJobError } from '@layermill/queue'
import type { WorkerFitness } from './fitness.js'
import { JobGate } from './job-gate.js'

/** A job that another worker is to try before what was found here stands. */
export class LeftToOthers extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LeftToOthers'
  }
}

/** A job that ended without a result, for the log. */
export interface FailedJob {
  readonly queue: string
  readonly run: string
  readonly job: string
  readonly code: string
  readonly message: string
  /** Outcome of the job: `handed back` to other workers, tried `again`, or `failed` for good. */
  readonly outcome: 'handed back' | 'again' | 'failed'
}

export interface Guard {
  readonly fitness: WorkerFitness
  /** Told of every job that ended without a result. */
  readonly onFailed?: (job: FailedJob) => void
}

/** Milliseconds for which a job that was left to other workers is not taken again here. */
const leaveFor = 30_000

/** The run that a job belongs to, whatever version made it. */
export function runOfJob(job: { readonly id?: string | undefined; readonly data: unknown }): string {
  const { data } = job
  return typeof data === 'object' && data !== null && 'run' in data && typeof data.run === 'string' ? data.run : (job.id ?? '')
}

export interface GuardedWorkOptions<Data, Result> {
  readonly job: QueuedJob<Data, Result>
  readonly token: string | undefined
  readonly signal: AbortSignal | undefined
  readonly work: () => Promise<Result>
  /** Looks whether a fault of this worker's own is gone. */
  readonly probe: () => Promise<void>
  /** Faults of the worker's own besides those that the table says are. */
  readonly isOwnFault?: (failure: Failure) => boolean
}

/** Puts a job back for another worker. One with a priority is queued anew behind its equals, as only that wakes those who wait. */
async function giveBack(job: QueuedJob<unknown>, token: string | undefined): Promise<never> {
  const { priority } = job
  try {
    return await handBack(job, token)
  } finally {
    if (priority > 0) await job.changePriority({ priority }).catch(() => undefined)
  }
}

/**
 * Does a worker's jobs as far as it is fit for their runs: a fault of its own sends the job back to the queue, without counting an attempt,
 * and keeps those of the same run away until it is gone. Without a guard every fault is the job's.
 */
export class GuardedWork<Data, Result> {
  private gate: JobGate<Data> | undefined

  /** @param read throws for the data of jobs that this version does not understand */
  constructor(
    private readonly queue: string,
    private readonly guard: Guard | undefined,
    private readonly read: (data: unknown) => unknown = () => undefined,
  ) {}

  /** To be called once, with the worker that the work is for. */
  attach(broker: Broker, worker: JobWorker<Data, Result>): void {
    if (this.guard === undefined) return
    const { fitness } = this.guard
    const queue = broker.queue<Data>(this.queue)
    const gate = new JobGate<Data>({
      worker: worker as unknown as JobWorker<Data>,
      queue,
      admits: job => this.understands(job) && fitness.admits(runOfJob(job), job.id ?? ''),
    })
    fitness.onChange(() => gate.lookNow())
    this.gate = gate
  }

  async do(options: GuardedWorkOptions<Data, Result>): Promise<Result> {
    const { job, token, signal, work } = options
    const fitness = this.guard?.fitness
    const run = runOfJob(job)
    if (!this.understands(job, failure => this.tell(job, failure, 'handed back'))) {
      this.gate?.close()
      return giveBack(job, token)
    }
    if (fitness !== undefined && !fitness.take(run, job.id ?? '')) {
      this.gate?.close()
      return giveBack(job, token)
    }
    try {
      this.gate?.passed()
      const result = await work()
      fitness?.proved(run)
      return result
    } catch (error) {
      if (signal?.aborted === true) {
        fitness?.released(run)
        return await handBack(job, token)
      }
      return await this.fail(run, error, options)
    }
  }

  /**
   * Whether this version understands a job. One that it does not is left to newer workers, by itself: a run may have such jobs and others.
   * Without a guard there is nobody else, and the work says what is wrong.
   */
  private understands(job: Pick<QueuedJob<Data>, 'id' | 'data'>, onFailure?: (failure: Failure) => void): boolean {
    if (this.guard === undefined) return true
    try {
      this.read(job.data)
      return true
    } catch (error) {
      const failure = classify(error)
      this.guard.fitness.meets(runOfJob(job), job.id ?? '', failure)
      onFailure?.(failure)
      return false
    }
  }

  private tell(job: Pick<QueuedJob<Data>, 'id' | 'data'>, { code, message }: Failure, outcome: FailedJob['outcome']): void {
    this.guard?.onFailed?.({ queue: this.queue, run: runOfJob(job), job: job.id ?? '', code, message, outcome })
  }

  private async fail(
    run: string,
    error: unknown,
    { job, token, probe, isOwnFault = () => false }: GuardedWorkOptions<Data, Result>,
  ): Promise<never> {
    const { guard } = this
    const failure = classify(error)
    const tell = (outcome: FailedJob['outcome'], code = failure.code): void => this.tell(job, { ...failure, code }, outcome)
    if (guard !== undefined && error instanceof LeftToOthers) {
      tell('handed back', 'LEFT_TO_OTHERS')
      guard.fitness.released(run)
      guard.fitness.leave(job.id ?? '', leaveFor)
      this.gate?.close()
      return giveBack(job, token)
    }
    if (guard !== undefined && (failure.scope === 'worker' || isOwnFault(failure))) {
      return this.refuse(failure, { guard, run, job, token, probe, tell })
    }
    const last = failure.retry === 'never' || job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
    const own = guard === undefined || !last ? undefined : await ownFault(probe)
    if (guard !== undefined && own !== undefined) return this.refuse(own, { guard, run, job, token, probe, tell })
    guard?.fitness.released(run)
    tell(last ? 'failed' : 'again')
    throw await toJobError(error)
  }

  /** Hands the job back, and keeps the run's others away until the probe passes. */
  private async refuse(failure: Failure, { guard, run, job, token, probe, tell }: Refusal): Promise<never> {
    tell('handed back', failure.code)
    guard.fitness.refuse(run, failure, probe)
    this.gate?.close()
    return giveBack(job, token)
  }
}

interface Refusal {
  readonly guard: Guard
  readonly run: string
  readonly job: QueuedJob<unknown>
  readonly token: string | undefined
  readonly probe: () => Promise<void>
  readonly tell: (outcome: FailedJob['outcome'], code?: string) => void
}

/**
 * The fault of this worker's own that a failed job may come from: what its run keeps may be gone for this worker only, where a place was
 * unmounted while the job was at it. Undefined where the worker lacks nothing.
 */
async function ownFault(probe: () => Promise<void>): Promise<Failure | undefined> {
  try {
    await probe()
    return undefined
  } catch (error) {
    const failure = classify(error)
    return failure.scope === 'worker' ? failure : undefined
  }
}
