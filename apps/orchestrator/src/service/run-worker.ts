import { queueNames, readPayload, type RunJob, type RunRecord, type RunSpec, type RunSummary, summarizeRun } from '@layermill/contracts'
import { type Broker, handBack, handBackLater, type JobWorker, park, parseFailedReason, toJobError } from '@layermill/queue'
import { errorCode, errorMessage } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { RunEnvironment } from '../run/environment.js'
import { execute, type OpenedRun } from '../run/execute.js'
import { cancelRun, claimRun, readRunRecord, setRunAside } from '../run/record-store.js'
import { fencedStore } from './fenced-store.js'
import { heldRecord } from './held-record.js'
import { jobSteps } from './job-steps.js'
import { dropSubmitted, wholeJob } from './large-spec.js'
import { askedRun } from './asked-run.js'
import { RunCancelled, RunControl, RunHandedBack, RunLost, RunPaused } from './run-control.js'
import { jobProgress, type QueuedRun, type RunJobProgress, runQueue, type RunQueue, summarizeJob, worthAnotherTry } from './run-jobs.js'
import { RunRecovery } from './run-recovery.js'
import { type Term, TermMarks } from './term-marks.js'
import type { OpenTrainingEnvironment } from './training-environment.js'

export interface RunWorkerOptions {
  /** Runs at once. Default 64: following one costs little, and one that waits for an orchestrator gets no share of the workers. */
  readonly concurrency?: number
  /** Milliseconds after which another orchestrator takes over the runs of one that is gone. Default 60 s. */
  readonly lockDuration?: number
  /** Milliseconds between looks whether a run was cancelled. Default 2 s. */
  readonly cancelInterval?: number
  /** Milliseconds between looks for runs that the queue has lost. Default 15 s. */
  readonly recoverInterval?: number
  /** See `superviseRun`. */
  readonly backlog?: number
  readonly reconcileInterval?: number
  /** Opens the environment of fine-tuning; left out, such runs fail here. */
  readonly training?: OpenTrainingEnvironment
  /** Told of runs that ended, at least once each, before their jobs end. */
  readonly ended?: (run: RunSummary, spec: RunSpec | undefined) => Promise<void>
  /** Told of what happens to runs, for the log. */
  readonly note?: (text: string) => void
}

export interface RunWorker {
  /** Takes no more runs and hands back those under way, for another orchestrator. */
  close(): Promise<void>
}

/** A run that this process has for now. */
interface Claim {
  /** Of the run; another one's change of the record ends the claim. */
  readonly store: Store
  readonly fenced: Store
  readonly fence: (store: Store) => Store
  readonly control: RunControl
  readonly term: Term
}

/** Carries out runs off the queue. */
class RunProcessor {
  private readonly active = new Map<string, RunControl>()
  readonly recovery: RunRecovery
  private closing = false

  constructor(
    private readonly queue: RunQueue,
    private readonly marks: TermMarks,
    private readonly environment: RunEnvironment,
    private readonly options: RunWorkerOptions,
  ) {
    const { note, recoverInterval } = options
    this.recovery = new RunRecovery(queue, { openStore: url => environment.openStore(url), note, interval: recoverInterval })
  }

  get lockDuration(): number {
    return this.options.lockDuration ?? 60_000
  }

  control(id: string): RunControl | undefined {
    return this.active.get(id)
  }

  handBackAll(): void {
    this.closing = true
    for (const control of this.active.values()) control.stop(new RunHandedBack())
  }

  async process(job: QueuedRun, token: string | undefined): Promise<RunSummary> {
    const control = new RunControl(this.lockDuration)
    if (this.closing) control.stop(new RunHandedBack())
    // A job comes again only once its lock ran out, whatever this process takes itself for.
    this.active.get(job.id!)?.stop(new RunLost())
    this.active.set(job.id!, control)
    this.recovery.saw(job.id!, job.data)
    const watch = setInterval(() => void this.watch(job, control), this.options.cancelInterval ?? 2000)
    try {
      const run = await this.carryOut(job, control)
      await this.tellEnd(job, run)
      return run
    } catch (error) {
      const reason: unknown = control.signal.reason
      if (reason instanceof RunPaused) return await park(job, token)
      // A lost run's lock may be held all the same, where the queue forgot that another one held it: then the run is taken up again.
      if (reason instanceof RunHandedBack || reason instanceof RunLost) return await handBack(job, token)
      if (isNewer(error) && Date.now() - job.timestamp < newerDeadline) {
        this.options.note?.(`run ${job.id}: left to an orchestrator of a newer version: ${errorMessage(error)}`)
        return await handBackLater(job, token, newerDelay)
      }
      const failure = await toJobError(error)
      const [attempt, attempts] = [job.attemptsMade + 1, job.opts.attempts ?? 1]
      const last = attempt >= attempts || !worthAnotherTry(error)
      const { code, message } = parseFailedReason(failure.message)
      this.options.note?.(
        `run ${job.id}: attempt ${attempt} of ${attempts} failed: ${code}: ${message}${last ? '' : '; it is tried again'}`,
      )
      if (last) {
        await this.tellEnd(job, {
          ...summarizeJob(job, 'active'),
          state: 'failed',
          finished: this.environment.now().toISOString(),
          error: { code, message },
        })
      }
      throw failure
    } finally {
      clearInterval(watch)
      // Once this term is over: the next one may be this process's too.
      if (control.signal.reason instanceof RunLost) void this.recovery.look()
      if (this.active.get(job.id!) === control) this.active.delete(job.id!)
    }
  }

  /** A queue or receiver that cannot be told is no reason for a run to fail. */
  private async tellEnd(job: QueuedRun, run: RunSummary): Promise<void> {
    await this.options
      .ended?.(run, job.data.spec)
      .catch((error: unknown) => this.options.note?.(`run ${job.id}: its end could not be told: ${errorMessage(error)}`))
  }

  /** Stops a run that was cancelled, or whose job is gone (a queue that was wiped). */
  private async watch(job: QueuedRun, control: RunControl): Promise<void> {
    const current = await this.queue.getJob(job.id!).catch(() => job)
    if (current === undefined) {
      control.stop(new RunLost('the queue has lost the run'))
    } else if (current.data.paused !== undefined && current.data.cancel !== true) control.stop(new RunPaused())
    else if (current.data.cancel === true) control.stop(new RunCancelled())
  }

  private async carryOut(job: QueuedRun, control: RunControl): Promise<RunSummary> {
    const carried = readPayload('run', job.data)
    const fence = (at: Store): Store => fencedStore(at, () => control.check())
    const fenced = fence(await this.environment.openStore(carried.store))
    const store = heldRecord(fenced, () => control.lose())
    let term: Term | undefined
    try {
      const data = await wholeJob(carried, fenced)
      // Receivers of the end are told by the spec.
      if (data.spec !== undefined) Object.assign(job.data, { spec: data.spec })
      if (data.cancel === true) return await this.cancelled(job, fenced)
      if (data.paused !== undefined) control.stop(new RunPaused())
      control.signal.throwIfAborted()
      term = await this.beginTerm(data.run, fenced)
      control.signal.throwIfAborted()
      await claimRun(fenced, data.run)
      const record = await this.execute(job, data, { store, fenced, fence, control, term })
      return { ...summarizeRun(record), id: data.run }
    } catch (error) {
      // Others wait for their turn where this one is suspected.
      await (control.signal.reason instanceof RunHandedBack || control.signal.reason instanceof RunPaused ? term?.left() : term?.passed())
      if (control.signal.reason instanceof RunCancelled) return await this.cancelled(job, fenced)
      if (control.signal.reason instanceof RunPaused) {
        this.options.note?.(`run ${job.id}: paused`)
        throw error
      }
      const ended = await this.endedBy(error, job, store)
      if (ended === undefined) throw error
      return ended
    } finally {
      await term?.passed()
      await store.close()
    }
  }

  private async execute(job: QueuedRun, data: RunJob, { store, fenced, fence, control, term }: Claim): Promise<RunRecord> {
    const { signal } = control
    const { environment, options } = this
    const { training: openTraining, backlog, reconcileInterval } = options
    const note = (text: string): void => options.note?.(`run ${job.id}: ${text}`)
    const { spec, opened } = await askedRun(data, store, jobProgress(job) !== undefined)
    const run = { id: data.run, store, signal, fence, keepsParts: () => isHandedOver(control), opened }
    await using kind = await jobSteps(spec, {
      ...run,
      environment,
      openTraining,
      backlog,
      reconcileInterval,
      send: async progress => job.updateProgress({ ...progress }),
      passed: () => void term.passed(),
      note,
    })
    const onOpened = async ({ record }: OpenedRun): Promise<void> => {
      await dropSubmitted(data, fenced)
      signal.throwIfAborted()
      await job.updateProgress({ summary: { ...summarizeRun(record), id: data.run } } satisfies RunJobProgress)
      note(`${record.state}, from ${record.spec.source} to ${store.url}`)
      kind.opened(record)
    }
    const record = await execute(kind.steps, { ...run, onOpened }, () => environment.now())
    await kind.ended()
    return record
  }

  /** Begins what may end or block this process. */
  private async beginTerm(run: string, store: Store): Promise<Term> {
    try {
      return await this.marks.begin(run)
    } catch (error) {
      if (errorCode(error) === 'RUN_SET_ASIDE')
        await setRunAside(store, run, this.environment.now(), { code: errorCode(error), message: errorMessage(error) })
      throw error
    }
  }

  /** A failed run's summary where nothing more is to be tried; then the run has ended, and not just its job. */
  private async endedBy(error: unknown, job: QueuedRun, store: Store): Promise<RunSummary | undefined> {
    const last = job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
    if (!last && worthAnotherTry(error)) return undefined
    const record = await readRunRecord(store).catch(() => undefined)
    if (record?.id !== job.id || record?.state !== 'failed') return undefined
    this.options.note?.(`run ${job.id}: failed: ${record.error?.message ?? ''}`)
    return summarizeRun(record)
  }

  private async cancelled(job: QueuedRun, store: Store): Promise<RunSummary> {
    const finished = this.environment.now()
    const record = await cancelRun(store, job.id!, finished)
    this.options.note?.(`run ${job.id}: cancelled`)
    if (record === undefined) return { ...summarizeJob(job, 'active'), state: 'cancelled', finished: finished.toISOString() }
    const ended = summarizeRun(record)
    // Progress tells more than the record of a run that was not finished.
    return ended.state === 'cancelled' ? { ...ended, counts: jobProgress(job)?.summary.counts ?? ended.counts } : ended
  }
}

/** Whether another orchestrator goes on with the run. */
function isHandedOver({ signal }: RunControl): boolean {
  return signal.aborted && !(signal.reason instanceof RunCancelled) && !(signal.reason instanceof RunPaused)
}

/** Whether a job, or the record of its run, has fields that only a newer version knows. */
const isNewer = (error: unknown): boolean => ['PAYLOAD_INVALID', 'RECORD_NEWER'].includes(errorCode(error))
/** Milliseconds for which such a run is left to others before it fails, and between two tries. */
const newerDeadline = 15 * 60_000
const newerDelay = 5000

/** A run is taken up again however often its orchestrators vanish: that is no fault of the run's. */
const maxStalledCount = 1_000_000

/**
 * Takes runs off the queue and carries them out: one orchestrator at a time for each run, another one where the first is gone. What a
 * run needs is in its store and its job, so nothing is lost with the process.
 */
export function startRunWorker(broker: Broker, environment: RunEnvironment, options: RunWorkerOptions = {}): RunWorker {
  const processor = new RunProcessor(runQueue(broker), new TermMarks(broker), environment, options)
  const { lockDuration } = processor
  const worker: JobWorker<RunJob, RunSummary> = broker.worker<RunJob, RunSummary>(
    queueNames.runs,
    (job, token) => processor.process(job, token),
    { concurrency: options.concurrency ?? 64, lockDuration, stalledInterval: lockDuration / 2, maxStalledCount },
  )
  worker.on('locksRenewed', ({ jobIds }) => jobIds.forEach(id => processor.control(id)?.renew()))
  worker.on('lockRenewalFailed', ids => ids.forEach(id => processor.control(id)?.stop(new RunLost())))
  processor.recovery.start()
  return {
    async close() {
      // First no new ones: a run that is handed back must not come back here.
      const closed = worker.close()
      processor.handBackAll()
      await closed
      await processor.recovery.stop()
    },
  }
}
