import {
  BATCH_SIZE_PATH,
  commitPath,
  DOUBTS_PATH,
  hasEnded,
  maxErrorsAllowed,
  type PartResult,
  type RunRecord,
  SUCCESS_PATH,
  type Waiting,
} from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError, receivedCode } from '@layermill/core'
import { type ErrorRow, LeftOut, mapOrdered, type Store } from '@layermill/storage'
import { foundBatchSize } from './found-batch-size.js'
import { committedParts, committedResult } from './commits.js'
import type { RunEnvironment } from './environment.js'
import { describeFailures, readFailures } from './failures.js'
import { leftOutFiles, type Listing, planManifest } from './manifest-plan.js'
import { partFiles } from './part-files.js'
import { PartFailedError, type PlannedJob, PartTracker, type TrackerTotals } from './part-tracker.js'
import { writeRunRecord } from './record-store.js'
import { WorkerWatch } from './worker-watch.js'
import { deleteUpdatePlan, planRenewal, planRetry, planUpdate, readUpdatePlan, type UpdatePlan } from './update-plan.js'

/** Jobs on the queue at once. */
const defaultBacklog = 2000
/** Milliseconds between looks at the queue and the store for events that were lost. */
const defaultReconcileInterval = 15_000
/** How long parts under way may take to end once a run has failed of its images, in milliseconds. */
const settleLimitMs = 30_000
/** Commit records read ahead when a run is taken up again. */
const commitsAtOnce = 16

export interface SuperviseOptions {
  readonly environment: RunEnvironment
  readonly store: Store
  readonly signal: AbortSignal
  readonly onProgress?: (progress: RunProgress) => void
  readonly backlog?: number
  readonly reconcileInterval?: number
  /** Place where people can see the reasons of images that failed. Default: the run's own errors. */
  readonly reasons?: string
}

export interface RunProgress {
  readonly done: number
  readonly failed: number
  readonly total: number
  readonly planned: boolean
  /** Parts planned so far, and those of them that are committed. */
  readonly parts: number
  readonly partsDone: number
  /** Images of which nothing had to be computed; only with a cache. */
  readonly cached?: number
  /** Cause of the run's waiting just now. */
  readonly waiting?: Waiting
}

/** Carries one run out: plans, queues, follows, and finishes its files. */
class Supervision {
  private record: RunRecord
  private readonly abort = new AbortController()
  private committed: ReadonlySet<number> = new Set()
  private listing: Listing = { leftOut: new LeftOut() }
  private waiting: Waiting | undefined
  private computedBy: NonNullable<RunRecord['computedBy']> = []

  constructor(
    record: RunRecord,
    private readonly options: SuperviseOptions,
  ) {
    this.record = record
  }

  async run(): Promise<RunRecord> {
    const started = this.options.environment.now().getTime()
    const stop = (): void => this.abort.abort(this.options.signal.reason)
    this.options.signal.addEventListener('abort', stop)
    if (this.options.signal.aborted) stop()
    try {
      let totals = await this.pass()
      while (this.record.followUp !== undefined) {
        await this.startFollowUp(this.record.followUp)
        totals = await this.pass()
      }
      return await this.finish(totals, started)
    } finally {
      this.options.signal.removeEventListener('abort', stop)
    }
  }

  /** Computes what is planned, or a change to what is there, until all its parts are committed and what they replace is gone. */
  private async pass(): Promise<TrackerTotals> {
    const { environment, store, backlog, reconcileInterval } = this.options
    const queue = await environment.queue(this.record, store)
    const tracker = new PartTracker({
      queue,
      backlog: backlog ?? defaultBacklog,
      committed: part => committedResult(store, part),
      reconcileInterval: reconcileInterval ?? defaultReconcileInterval,
      signal: this.abort.signal,
      onChange: totals => this.onChange(totals),
    })
    const watch = this.watch(tracker)
    try {
      const update = await this.prepareUpdate()
      this.committed = await committedParts(store)
      await tracker.follow(this.unfinished(tracker, update))
      this.checkErrors(tracker.current)
      if (update !== undefined) await this.retire(update)
      this.computedBy = tracker.computedBy
      return tracker.current
    } catch (error) {
      await queue.removeWaiting().catch(() => undefined)
      // An interrupted run stays as it is in the store: whoever comes next goes on from there.
      if (this.options.signal.aborted) throw error
      return await this.end(error, tracker)
    } finally {
      watch?.stop()
      this.waiting = undefined
    }
  }

  /** Fails the run; where its images are why, with those that parts under way leave out as well, once these have come to their end. */
  private async end(error: unknown, tracker: PartTracker): Promise<never> {
    const { store, signal } = this.options
    if (!(error instanceof LayermillError && error.code === 'TOO_MANY_ERRORS')) return this.fail(error, tracker.current)
    await tracker.settle(settleLimitMs, signal)
    if (signal.aborted) throw error
    return this.fail(this.tooMany(tracker.current, await readFailures(store).catch(() => [])), tracker.current)
  }

  /** Follows what the run waits for, where others compute. */
  private watch(tracker: PartTracker): WorkerWatch | undefined {
    const { environment } = this.options
    if (environment.workers === undefined) return undefined
    return new WorkerWatch({
      run: this.record.id,
      workers: async () => (await environment.workers?.()) ?? [],
      trouble: () => environment.trouble?.(),
      jobsAreTold: true,
      unfitDeadline: environment.unfitDeadline,
      onWaiting: waiting => {
        this.waiting = waiting
        this.onChange(tracker.current)
      },
      onUnfit: error => this.abort.abort(error),
    })
  }

  /** A change that was asked for before the run was done: its parts have new numbers and its jobs new ids. */
  private async startFollowUp(change: 'update' | 'retry'): Promise<void> {
    const generation = this.record.generation + 1
    await this.save({ state: 'planning', planned: false, updating: change, followUp: undefined, generation })
  }

  private async prepareUpdate(): Promise<UpdatePlan | undefined> {
    const { store, environment } = this.options
    this.listing = { strict: this.record.spec.strict === true, leftOut: new LeftOut() }
    if (this.record.updating === undefined) return undefined
    await store.delete(SUCCESS_PATH)
    const pending = await readUpdatePlan(store)
    if (pending !== undefined) return pending
    const source = await environment.openSource(this.record.spec.source, this.record.spec)
    try {
      if (this.record.updating === 'retry') return await planRetry(store, source)
      if (this.record.replacing !== undefined) return await planRenewal(store, source, this.record.partSize, this.listing)
      return await planUpdate(store, source, this.record.partSize, this.listing)
    } finally {
      await source.close()
    }
  }

  /** The parts still to compute, those already done counted on the way; notes when the plan is whole. */
  private async *unfinished(tracker: PartTracker, update: UpdatePlan | undefined): AsyncGenerator<PlannedJob> {
    const retired = new Set(update?.retire)
    // Both go up by parts, so records are read ahead without waiting for the plan, which may wait for a slow listing.
    const kept = [...this.committed].filter(part => !retired.has(part)).sort((a, b) => a - b)
    const records = mapOrdered(kept, commitsAtOnce, async part => ({ part, result: await committedResult(this.options.store, part) }))
    try {
      for await (const job of this.plan(update)) {
        if (retired.has(job.part)) continue
        const result = this.committed.has(job.part) ? await resultOf(records, job.part) : undefined
        if (result === undefined) yield job
        else tracker.addFinished(job, result)
      }
    } finally {
      await records.return(undefined)
    }
    const { images, parts } = tracker.current
    await this.save({ planned: true, state: 'running', counts: { ...this.record.counts, images, parts }, ...this.listed() })
    this.onChange(tracker.current)
  }

  /** Files that the listing of this sitting left out. A sitting that listed nothing keeps the known ones. */
  private listed(): Pick<RunRecord, 'leftOut'> {
    const isNew = !this.record.planned && this.record.updating !== 'retry'
    return isNew ? { leftOut: leftOutFiles(this.listing) } : {}
  }

  private async *plan(update: UpdatePlan | undefined): AsyncGenerator<PlannedJob> {
    const { store, environment } = this.options
    // An update's manifest is whole: the kept parts, the retired ones and the new ones.
    const whole = this.record.planned || update !== undefined
    const source = await environment.openSource(this.record.spec.source, this.record.spec)
    try {
      yield* planManifest(store, source, this.record.partSize, whole, this.listing)
    } finally {
      await source.close()
    }
  }

  private onChange(totals: TrackerTotals): void {
    const { planned } = this.record
    const { done, failed, images, parts, partsDone } = totals
    const cached = this.cached(totals)
    const waiting = this.waiting === undefined ? {} : { waiting: this.waiting }
    this.options.onProgress?.({ done: done + failed, failed, total: images, planned, parts, partsDone, ...cached, ...waiting })
    try {
      this.checkErrors(totals)
    } catch (error) {
      this.abort.abort(error)
    }
  }

  /** @throws LayermillError `TOO_MANY_ERRORS`; a share of the images is known only once all are planned. */
  private checkErrors({ images, failed }: TrackerTotals): void {
    const { maxErrors } = this.record.spec
    // Images that failed are tried again by the follow-up, or may have changed.
    if (this.record.followUp !== undefined) return
    if (typeof maxErrors === 'string' && !this.record.planned) return
    const allowed = maxErrorsAllowed(maxErrors, images)
    if (failed > allowed) throw this.tooMany({ images, failed }, [])
  }

  private tooMany({ images, failed }: Pick<TrackerTotals, 'images' | 'failed'>, failures: readonly ErrorRow[]): LayermillError {
    const { maxErrors } = this.record.spec
    const allowed = maxErrorsAllowed(maxErrors, images)
    const which = failures.length === 0 ? '' : `: ${describeFailures(failures, failed)}`
    const text = `${failed} image${failed === 1 ? '' : 's'} failed, more than --max-errors ${maxErrors} allows (${allowed} of ${images})${which}`
    const { reasons = `all reasons are in ${this.options.store.url}/errors/` } = this.options
    return new LayermillError('TOO_MANY_ERRORS', text, { hint: `${reasons}; raise --max-errors to go on with the rest` })
  }

  private async finish(totals: TrackerTotals, started: number): Promise<RunRecord> {
    const { store, environment } = this.options
    const { images, parts, done, failed, overflow } = totals
    const { updating: _updating, replacing: _replacing, error: _error, ...record } = this.record
    const finished = environment.now()
    this.record = record
    await this.save({
      ...(await foundBatchSize(record, store)),
      state: 'done',
      planned: true,
      counts: { images, parts, done, failed, ...this.cached(totals), ...(overflow === undefined ? {} : { overflow }) },
      ...(this.computedBy.length === 0 ? {} : { computedBy: this.computedBy }),
      finished: finished.toISOString(),
      seconds: (finished.getTime() - started) / 1000,
    })
    await store.put(SUCCESS_PATH, '')
    await store.delete(BATCH_SIZE_PATH)
    for await (const { key } of store.list(DOUBTS_PATH)) await store.delete(key)
    return this.record
  }

  /** Takes replaced parts away: the record first, since a part exists when its record does. */
  private async retire(update: UpdatePlan): Promise<void> {
    const { store } = this.options
    for (const part of update.retire) await store.delete(commitPath(part))
    for (const part of update.retire) for (const path of partFiles(this.record, part)) await store.delete(path)
    await deleteUpdatePlan(store)
  }

  private cached({ cached }: TrackerTotals): { cached?: number } {
    return this.record.spec.cache === undefined ? {} : { cached }
  }

  private async fail(error: unknown, { images, parts, done, failed }: TrackerTotals): Promise<never> {
    const code = error instanceof PartFailedError ? error.code : errorCode(error)
    const message = error instanceof PartFailedError ? `part ${error.part}: ${error.message}` : errorMessage(error)
    // A record that cannot even be written (a full disk) goes on saying that the run is unfinished, which it is.
    await this.save({ state: 'failed', counts: { images, parts, done, failed }, error: { code, message } }).catch(() => undefined)
    if (error instanceof LayermillError) throw error
    throw new LayermillError(receivedCode(code), message, {
      cause: error,
      hint: 'finished parts are kept: once the cause is gone, run the same command again',
    })
  }

  private async save(changes: Partial<RunRecord>): Promise<void> {
    this.record = { ...this.record, ...changes }
    await writeRunRecord(this.options.store, this.record)
  }
}

/** A part's record, from records in the order of their parts; those before it are of parts that the plan does not have. */
async function resultOf(
  records: AsyncGenerator<{ part: number; result: PartResult | undefined }>,
  part: number,
): Promise<PartResult | undefined> {
  for (let next = await records.next(); next.done !== true; next = await records.next())
    if (next.value.part === part) return next.value.result
  return undefined
}

/**
 * Carries a run out to its end: plans what is not planned, queues what is not done, follows it, and writes `_SUCCESS`. Safe to stop at any
 * moment and to call again.
 *
 * @returns the record of the finished run
 * @throws the signal's reason when interrupted (the run can be resumed); LayermillError when the run failed (its record says why)
 */
export async function superviseRun(record: RunRecord, options: SuperviseOptions): Promise<RunRecord> {
  if (!hasEnded(record.state)) return new Supervision(record, options).run()
  // Written last: a run that was stopped just before has all but this.
  if (record.state === 'done') await options.store.put(SUCCESS_PATH, '', { ifAbsent: true })
  return record
}
