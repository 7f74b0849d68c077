import { failureClass, LayermillError, redact } from '@layermill/core'
import { sameWaiting, type Waiting, type WorkerBeat } from '@layermill/contracts'

/** Milliseconds between two looks at the workers. */
const lookInterval = 2000
/**
 * Milliseconds for which all workers may be unfit for a run before it fails: for reasons that stay, and for those that may pass by
 * themselves.
 */
const unfitDeadlines = { lasting: 30_000, passing: 600_000 }
/** Workers named in one message. */
const mostNamed = 8

export interface WorkerWatchOptions {
  /** The run, as its jobs name it. */
  readonly run: string
  /** Heartbeats of the workers that live. Left out where this process computes by itself: then only its own waiting is told. */
  readonly workers?: (() => Promise<readonly WorkerBeat[]>) | undefined
  /** Cause of this process's own waiting. */
  readonly trouble?: () => Waiting | undefined
  /** Whether heartbeats tell of the run's jobs: of parts they do, of micro-batches they do not. */
  readonly jobsAreTold: boolean
  /** The run that is computed while this one's jobs wait, as far as heartbeats do not tell it. */
  readonly behind?: (() => Promise<string | undefined>) | undefined
  /** Told of every change. */
  readonly onWaiting: (waiting: Waiting | undefined) => void
  /** Told once that no worker can carry the run. */
  readonly onUnfit: (error: LayermillError) => void
  /** Milliseconds for which all workers may be unfit for a reason that stays. Default 30 s; ten minutes for what may pass by itself. */
  readonly unfitDeadline?: number | undefined
  readonly now?: () => number
  readonly interval?: number
}

type Found = Pick<Waiting, 'code' | 'reason'> & { readonly since?: string }

/** Reason for which a worker does nothing of a run. One that does not understand some of its jobs may do others, once it has time. */
const reasonFor = ({ unfit = [], jobs }: WorkerBeat, run: string): NonNullable<WorkerBeat['unfit']>[number] | undefined =>
  unfit.find(entry => entry.run === run && (entry.job === undefined || jobs.length === 0))

function listed(workers: readonly WorkerBeat[], run: string): string {
  const named = workers.slice(0, mostNamed).map(beat => {
    const entry = reasonFor(beat, run)
    return `${beat.id}: ${entry?.code ?? ''}: ${redact(entry?.reason ?? '')}`
  })
  return `${named.join('; ')}${workers.length > mostNamed ? `; and ${workers.length - mostNamed} more` : ''}`
}

const latest = (times: readonly string[]): string => times.reduce((last, time) => (time > last ? time : last))

/** Finds the cause of a run's waiting, by the workers' heartbeats: undefined where a worker is at the run, or about to be. */
export function waitsFor(run: string, beats: readonly WorkerBeat[], jobsAreTold: boolean): Found | undefined {
  const at = beats.filter(({ jobs }) => jobs.some(job => job.run === run))
  const slowed = at.find(({ waits = [] }) => waits.length > 0)
  if (slowed !== undefined)
    return { code: 'store', reason: `${slowed.waits![0]!.reason} (worker ${slowed.id})`, since: slowed.waits![0]!.since }
  if (at.length > 0) return undefined
  const able = beats.filter(({ state }) => state !== 'draining')
  if (able.length === 0) return { code: 'no-worker', reason: 'no worker has been heard of in the last half minute' }
  const fit = able.filter(beat => reasonFor(beat, run) === undefined)
  if (fit.length === 0) {
    return {
      code: 'workers-unfit',
      reason: `no worker can work on it: ${listed(able, run)}`,
      since: latest(able.map(beat => reasonFor(beat, run)!.since)),
    }
  }
  if (!jobsAreTold || fit.some(({ jobs }) => jobs.length === 0)) return undefined
  return behindRun(fit[0]!.jobs[0]!.run)
}

const behindRun = (run: string): Found => ({ code: 'behind-run', reason: `waiting behind run ${run}` })

/** Since when no worker can carry a run, in milliseconds; undefined where one can, or tries just now. */
function unfitTime(run: string, beats: readonly WorkerBeat[]): { readonly since: number; readonly passing: boolean } | undefined {
  const able = beats.filter(({ state }) => state !== 'draining')
  const reasons = able.map(beat => reasonFor(beat, run))
  if (reasons.length === 0 || beats.some(({ jobs }) => jobs.some(job => job.run === run))) return undefined
  if (reasons.some(entry => entry === undefined || entry.trial)) return undefined
  const known = reasons.filter(entry => entry !== undefined)
  return {
    since: Math.max(...known.map(({ since }) => Date.parse(since))),
    passing: known.some(({ code }) => failureClass(code)?.retry === 'backoff'),
  }
}

/** Follows what a run waits for while it is carried out, and says when no worker can carry it. */
export class WorkerWatch {
  private readonly timer: NodeJS.Timeout
  private readonly now: () => number
  private waiting: Waiting | undefined
  private looking = false
  private ended = false

  constructor(private readonly options: WorkerWatchOptions) {
    this.now = options.now ?? Date.now
    this.timer = setInterval(() => void this.look(), options.interval ?? lookInterval)
  }

  /** Looks once. Never rejects: a queue that does not answer is said to be what is waited for. */
  async look(): Promise<void> {
    if (this.looking || this.ended) return
    this.looking = true
    const { trouble, workers } = this.options
    const beats = await workers?.().catch(() => undefined)
    const found = trouble?.() ?? (await this.find(beats))
    this.looking = false
    if (this.ended) return
    this.set(found)
    if (beats !== undefined) this.judge(beats)
  }

  stop(): void {
    this.ended = true
    clearInterval(this.timer)
  }

  private async find(beats: readonly WorkerBeat[] | undefined): Promise<Found | undefined> {
    const { run, jobsAreTold, workers, behind } = this.options
    if (workers === undefined) return undefined
    if (beats === undefined) return this.waiting
    const found = waitsFor(run, beats, jobsAreTold)
    if (found !== undefined) return found
    const before = await behind?.().catch(() => undefined)
    return before === undefined ? undefined : behindRun(before)
  }

  private judge(beats: readonly WorkerBeat[]): void {
    const { run, onUnfit } = this.options
    const unfit = unfitTime(run, beats)
    if (unfit === undefined) return
    const { lasting, passing } = unfitDeadlines
    const deadline = this.options.unfitDeadline ?? lasting
    if (this.now() - unfit.since < (unfit.passing ? Math.max(passing, deadline) : deadline)) return
    this.ended = true
    clearInterval(this.timer)
    const able = beats.filter(({ state }) => state !== 'draining')
    onUnfit(
      new LayermillError('WORKERS_UNFIT', `no worker can work on the run: ${listed(able, run)}`, {
        hint: 'what is done is kept: once a worker can reach what it needs, run the same command again',
      }),
    )
  }

  private set(found: Found | undefined): void {
    const before = this.waiting
    const since = found?.since ?? (before !== undefined && before.code === found?.code ? before.since : new Date(this.now()).toISOString())
    this.waiting = found === undefined ? undefined : { code: found.code, reason: found.reason, since }
    if (!sameWaiting(before, this.waiting) || before?.reason !== this.waiting?.reason) this.options.onWaiting(this.waiting)
  }
}
