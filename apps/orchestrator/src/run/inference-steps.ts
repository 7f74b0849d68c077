import {
  batchSizePath,
  commitPath,
  doubtsFolder,
  maxErrorsAllowed,
  type PartResult,
  type RunRecord,
  successPath,
  type Waiting,
  type WorkerPhases,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type ErrorRow, LeftOut, mapOrdered } from '@layermill/storage'
import { keysLeftOut } from './audited-images.js'
import type { InferenceSpec } from './check-inference.js'
import { committedParts, committedResult } from './commits.js'
import type { RunEnvironment } from './environment.js'
import { execute, type OpenedRun, type RunArguments, type RunPass, type RunSteps } from './execute.js'
import { describeFailures, readFailures } from './failures.js'
import { foundBatchSize } from './found-batch-size.js'
import { leftOutFiles, type Listing, planManifest } from './manifest-plan.js'
import { openRun } from './open-run.js'
import { partFiles } from './part-files.js'
import type { PartQueue } from './part-queue.js'
import { type PlannedJob, PartTracker, type TrackerTotals } from './part-tracker.js'
import type { RunFile } from './run-file.js'
import { deleteUpdatePlan, planRenewal, planRetry, planUpdate, readUpdatePlan, type UpdatePlan } from './update-plan.js'
import { WorkerWatch } from './worker-watch.js'

/** Jobs on the queue at once. */
const defaultBacklog = 2000
/** Milliseconds between looks at the queue and the store for events that were lost. */
const defaultReconcileInterval = 15_000
/** How long parts under way may take to end once a run has failed of its images, in milliseconds. */
const settleLimitMs = 30_000
/** Commit records read ahead when a run is taken up again. */
const commitsAtOnce = 16

export interface InferenceArguments extends RunArguments {
  readonly environment: RunEnvironment
  readonly onProgress?: (progress: RunProgress) => void
  readonly backlog?: number | undefined
  readonly reconcileInterval?: number | undefined
  /** Place where people can see the reasons of images that failed. Default: the run's own errors. */
  readonly reasons?: string | undefined
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
  /** Images of those done that had been finished before the run was taken up, or were only copied since. */
  readonly kept?: number
  /** Busy time of its workers so far. */
  readonly phases?: readonly WorkerPhases[]
  /** Cause of the run's waiting just now. */
  readonly waiting?: Waiting
}

/** One pass of a run over its images: parts that are queued, computed and committed. */
class PartPass implements RunPass<UpdatePlan | undefined> {
  readonly tracker: PartTracker
  private readonly abort = new AbortController()
  private readonly watch: WorkerWatch | undefined
  private readonly stop = (): void => this.abort.abort(this.options.signal.reason)
  private committed: ReadonlySet<number> = new Set()
  private listing: Listing
  private waiting: Waiting | undefined

  constructor(
    private readonly run: RunFile,
    private readonly queue: PartQueue,
    private readonly options: InferenceArguments,
  ) {
    const { store, signal, backlog = defaultBacklog, reconcileInterval = defaultReconcileInterval } = options
    this.listing = { strict: run.record.spec.strict === true, leftOut: new LeftOut() }
    this.tracker = new PartTracker({
      queue,
      backlog,
      committed: part => committedResult(store, part),
      reconcileInterval,
      signal: this.abort.signal,
      onChange: totals => this.onChange(totals),
    })
    signal.addEventListener('abort', this.stop)
    if (signal.aborted) this.stop()
    this.watch = this.watchWorkers()
  }

  plan(): Promise<UpdatePlan | undefined> {
    return this.accounted(async () => {
      const update = await this.prepareUpdate()
      this.committed = await committedParts(this.options.store)
      return update
    })
  }

  /** Follows what is planned, or a change to what is there, until all its parts are committed and what they replace is gone. */
  supervise(update: UpdatePlan | undefined): Promise<void> {
    return this.accounted(async () => {
      this.run.note({ found: update?.found })
      await this.tracker.follow(this.unfinished(update))
      this.checkErrors(this.tracker.current)
      if (update !== undefined) await this.retire(update)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.options.signal.removeEventListener('abort', this.stop)
    this.watch?.stop()
  }

  /** Does a step. Where it fails, no part is begun any more, and the record has the numbers of images as they are then. */
  private async accounted<Result>(step: () => Promise<Result>): Promise<Result> {
    try {
      return await step()
    } catch (error) {
      const { signal, keepsParts = () => false } = this.options
      if (!keepsParts()) await this.queue.removeWaiting().catch(() => undefined)
      const ended = signal.aborted ? error : await this.settled(error)
      const { images, parts, done, failed } = this.tracker.current
      this.run.note({ counts: { images, parts, done, failed } })
      throw ended
    }
  }

  /** The error; where a run's images are why, with those that parts under way leave out as well, once these have come to their end. */
  private async settled(error: unknown): Promise<unknown> {
    const { store, signal } = this.options
    if (!(error instanceof LayermillError && error.code === 'TOO_MANY_ERRORS')) return error
    await this.tracker.settle(settleLimitMs, signal)
    return signal.aborted ? error : this.tooMany(this.tracker.current, await readFailures(store).catch(() => []))
  }

  /** Follows what the run waits for: its own process, and the workers where others compute. */
  private watchWorkers(): WorkerWatch | undefined {
    const { environment } = this.options
    const alone = environment.workers === undefined
    if (alone && environment.trouble === undefined) return undefined
    return new WorkerWatch({
      run: this.run.record.id,
      workers: alone ? undefined : async () => (await environment.workers?.()) ?? [],
      trouble: () => environment.trouble?.(),
      jobsAreTold: true,
      unfitDeadline: environment.unfitDeadline,
      onWaiting: waiting => {
        this.waiting = waiting
        this.onChange(this.tracker.current)
      },
      onUnfit: error => this.abort.abort(error),
    })
  }

  private async prepareUpdate(): Promise<UpdatePlan | undefined> {
    const { store, environment } = this.options
    if (this.run.record.updating === undefined) return undefined
    await store.delete(successPath)
    const pending = await readUpdatePlan(store)
    if (pending !== undefined) return pending
    await this.readWithout()
    await using source = await environment.openSource(this.run.record.spec.source, this.run.record.spec)
    if (this.run.record.updating === 'retry') return await planRetry(store, source)
    if (this.run.record.replacing !== undefined) return await planRenewal(store, source, this.run.record.partSize, this.listing)
    return await planUpdate(store, source, this.run.record.partSize, this.listing)
  }

  /** The parts still to compute, those already done counted on the way; notes when the plan is whole. */
  private async *unfinished(update: UpdatePlan | undefined): AsyncGenerator<PlannedJob> {
    const retired = new Set(update?.retire)
    // Both go up by parts, so records are read ahead without waiting for the plan, which may wait for a slow listing.
    const kept = [...this.committed].filter(part => !retired.has(part)).sort((a, b) => a - b)
    const records = mapOrdered(kept, commitsAtOnce, async part => ({ part, result: await committedResult(this.options.store, part) }))
    try {
      for await (const job of this.planned(update)) {
        if (retired.has(job.part)) continue
        const result = this.committed.has(job.part) ? await resultOf(records, job.part) : undefined
        if (result === undefined) yield job
        else this.tracker.addFinished(job, result)
      }
    } finally {
      await records.return(undefined)
    }
    const { images, parts } = this.tracker.current
    // Of the last session; this one's is known in the end.
    const { computed: _computed, ...counts } = this.run.record.counts
    await this.run.save({ planned: true, state: 'running', counts: { ...counts, images, parts }, ...this.listed() })
    this.onChange(this.tracker.current)
  }

  /** Files that the listing of this term left out. A term that listed nothing keeps the known ones. */
  private listed(): Pick<RunRecord, 'leftOut'> {
    const isNew = !this.run.record.planned && this.run.record.updating !== 'retry'
    return isNew ? { leftOut: leftOutFiles(this.listing) } : {}
  }

  private async *planned(update: UpdatePlan | undefined): AsyncGenerator<PlannedJob> {
    const { store, environment } = this.options
    // An update's manifest is whole: the kept parts, the retired ones and the new ones.
    const whole = this.run.record.planned || update !== undefined
    if (!whole) await this.readWithout()
    await using source = await environment.openSource(this.run.record.spec.source, this.run.record.spec)
    yield* planManifest(store, source, this.run.record.partSize, whole, this.listing)
  }

  /** Reads which images the spec leaves out. */
  private async readWithout(): Promise<void> {
    this.listing.without = await keysLeftOut(this.run.record, url => this.options.environment.openStore(url))
  }

  private onChange(totals: TrackerTotals): void {
    const { planned } = this.run.record
    const { done, failed, images, parts, partsDone, kept } = totals
    const cached = this.cached(totals)
    const keptOnes = kept === 0 ? {} : { kept }
    const waiting = this.waiting === undefined ? {} : { waiting: this.waiting }
    const phases = this.tracker.phases.length === 0 ? {} : { phases: this.tracker.phases }
    const counts = { done: done + failed, failed, total: images, planned, parts, partsDone, ...keptOnes, ...cached }
    this.options.onProgress?.({ ...counts, ...phases, ...waiting })
    try {
      this.checkErrors(totals)
    } catch (error) {
      this.abort.abort(error)
    }
  }

  /** @throws LayermillError `TOO_MANY_ERRORS`; a share of the images is known only once all are planned. */
  private checkErrors({ images, failed }: TrackerTotals): void {
    const { maxErrors } = this.run.record.spec
    // Images that failed are tried again by the follow-up, or may have changed.
    if (this.run.record.followUp !== undefined) return
    if (typeof maxErrors === 'string' && !this.run.record.planned) return
    const allowed = maxErrorsAllowed(maxErrors, images)
    if (failed > allowed) throw this.tooMany({ images, failed }, [])
  }

  private tooMany({ images, failed }: Pick<TrackerTotals, 'images' | 'failed'>, failures: readonly ErrorRow[]): LayermillError {
    const { maxErrors } = this.run.record.spec
    const allowed = maxErrorsAllowed(maxErrors, images)
    const which = failures.length === 0 ? '' : `: ${describeFailures(failures, failed)}`
    const text = `${failed} image${failed === 1 ? '' : 's'} failed, more than --max-errors ${maxErrors} allows (${allowed} of ${images})${which}`
    const { reasons = `all reasons are in ${this.options.store.url}/errors/` } = this.options
    return new LayermillError('TOO_MANY_ERRORS', text, { hint: `${reasons}; raise --max-errors to go on with the rest` })
  }

  /** Takes replaced parts away: the record first, since a part exists when its record does. */
  private async retire(update: UpdatePlan): Promise<void> {
    const { store } = this.options
    for (const part of update.retire) await store.delete(commitPath(part))
    for (const part of update.retire) for (const path of partFiles(this.run.record, part)) await store.delete(path)
    await deleteUpdatePlan(store)
  }

  private cached(totals: TrackerTotals): Pick<RunRecord['counts'], 'cached'> {
    return cachedOf(this.run.record, totals)
  }
}

/** Images of which nothing had to be computed, as a run with a cache tells them. */
function cachedOf({ spec }: RunRecord, { cached }: TrackerTotals): Pick<RunRecord['counts'], 'cached'> {
  return spec.cache === undefined ? {} : { cached }
}

/** The steps of runs that compute parts: extractions and predictions. */
class InferenceSteps implements RunSteps<UpdatePlan | undefined> {
  readonly kept = 'finished parts'
  private last: PartPass | undefined

  constructor(
    private readonly spec: InferenceSpec,
    private readonly options: InferenceArguments,
    readonly conclude?: (record: RunRecord) => Promise<void>,
  ) {}

  open(): Promise<OpenedRun> {
    const { store, environment, signal, id } = this.options
    return openRun(this.spec, store, environment, { signal, id })
  }

  async begin(run: RunFile): Promise<PartPass> {
    const { environment, store } = this.options
    this.last = new PartPass(run, await environment.queue(run.record, store), this.options)
    return this.last
  }

  async finish({ record }: RunFile): Promise<Partial<RunRecord>> {
    const { current, computedBy, phases, oneByOne, draft } = this.last!.tracker
    const { images, parts, done, failed, overflow, computed } = current
    const counts = { images, parts, done, failed, ...cachedOf(record, current), ...(overflow === undefined ? {} : { overflow }) }
    return {
      ...(await foundBatchSize(record, this.options.store)),
      counts: computed === done ? counts : { ...counts, computed },
      ...(computedBy.length === 0 ? {} : { computedBy }),
      ...(phases.length === 0 ? {} : { phases }),
      ...(oneByOne === undefined ? {} : { oneByOne }),
      ...(draft === undefined ? {} : { draft }),
    }
  }

  async tidy(): Promise<void> {
    const { store } = this.options
    await store.delete(batchSizePath)
    for await (const { key } of store.list(doubtsFolder)) await store.delete(key)
  }
}

/**
 * The steps of a run that computes parts.
 * @param conclude see `RunSteps`
 */
export function inferenceSteps(
  spec: InferenceSpec,
  options: InferenceArguments,
  conclude?: (record: RunRecord) => Promise<void>,
): RunSteps<UpdatePlan | undefined> {
  return new InferenceSteps(spec, options, conclude)
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
 * Carries out a run whose record and manifest are there: images that another run needs the values of.
 * @throws as `execute` does
 */
export async function superviseRun(record: RunRecord, options: InferenceArguments): Promise<RunRecord> {
  const steps = inferenceSteps(record.spec as InferenceSpec, options)
  return execute(steps, { ...options, opened: { record, action: 'resume' } }, () => options.environment.now())
}
