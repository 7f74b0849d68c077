import { classify, type Failure } from '@layermill/core'
import type { UnfitFor } from '@layermill/contracts'

/** Event of a worker's fitness, for its log and its metrics. */
export type FitnessEvent =
  | { readonly kind: 'unfit'; readonly run: string; readonly code: string; readonly reason: string; readonly since: string }
  | { readonly kind: 'beyond'; readonly run: string; readonly job: string; readonly code: string; readonly reason: string }
  | { readonly kind: 'trial' | 'fit' | 'forgotten'; readonly run: string }

export interface FitnessOptions {
  /** Told once when a run's parts can no longer be taken, when the reason changes, and when it is gone. */
  readonly onEvent?: (event: FitnessEvent) => void
  /** Milliseconds before the first probe of a run, doubled each time up to the most. Default 1 s and 30 s. */
  readonly firstProbe?: number
  readonly mostBetweenProbes?: number
  /** Milliseconds after which a run that is not met any more is forgotten. Default 10 min. */
  readonly forgetAfter?: number
}

interface Entry {
  code: string
  reason: string
  readonly since: string
  /** Looks whether the reason is gone. */
  probe: () => Promise<void>
  probes: number
  /** The last probe found nothing wrong: the next part decides. */
  trial: boolean
  /** A part of the trial is under way. */
  trying: boolean
  met: number
  timer: NodeJS.Timeout | undefined
}

/** Jobs of one run that only a newer version understands. */
interface Beyond {
  readonly job: string
  readonly code: string
  readonly reason: string
  /** In milliseconds: when the first was met, or this worker last did anything else, which shows that there is something to do. */
  since: number
  met: number
}

/** Milliseconds after which jobs that are not understood count as gone, where none is met any more: more than a gate waits between looks. */
const beyondFor = 10_000

/**
 * Which runs this worker cannot work on, and why. A fault that is the worker's own (its mount, credentials, device, age) makes it unfit for
 * the run: it takes no more of its parts until a probe finds the reason gone and one part has shown that it is.
 */
export class WorkerFitness {
  private readonly entries = new Map<string, Entry>()
  /** Jobs that others are to try first, until when. */
  private readonly left = new Map<string, number>()
  private readonly listeners = new Set<() => void>()
  private readonly beyond = new Map<string, Beyond>()

  constructor(private readonly options: FitnessOptions = {}) {}

  /** Calls the listener when jobs may be taken that could not be before. */
  onChange(listener: () => void): void {
    this.listeners.add(listener)
  }

  /** Whether a job may be taken. */
  admits(run: string, job: string): boolean {
    if ((this.left.get(job) ?? 0) > Date.now()) return false
    const entry = this.entries.get(run)
    if (entry === undefined) return true
    entry.met = Date.now()
    return entry.trial && !entry.trying
  }

  /** Takes a job if it may be taken. To be followed by `proved`, `refuse` or `released`. */
  take(run: string, job: string): boolean {
    if (!this.admits(run, job)) return false
    const entry = this.entries.get(run)
    if (entry !== undefined) entry.trying = true
    return true
  }

  /**
   * A job that this worker does not understand waits, or was handed back: one of a newer version has to do it. Others of the run are not
   * affected.
   */
  meets(run: string, job: string, { code, message }: Pick<Failure, 'code' | 'message'>): void {
    const now = Date.now()
    const known = this.beyond.get(run)
    if (known !== undefined && now - known.met <= beyondFor) {
      known.met = now
      return
    }
    this.beyond.set(run, { job, code, reason: message, since: now, met: now })
    this.options.onEvent?.({ kind: 'beyond', run, job, code, reason: message })
  }

  /** A part of the run was computed here. */
  proved(run: string): void {
    for (const beyond of this.beyond.values()) beyond.since = Date.now()
    const entry = this.entries.get(run)
    if (entry === undefined) return
    // One that was under way when others of the run failed says nothing of what comes.
    if (!entry.trying) return
    this.drop(run, entry, 'fit')
  }

  /** A job ended in a way that says nothing about the worker. */
  released(run: string): void {
    const entry = this.entries.get(run)
    if (entry !== undefined) entry.trying = false
  }

  /**
   * Notes a fault of the worker's own.
   * @param probe looks whether the reason is gone, and throws where it is not
   */
  refuse(run: string, failure: Pick<Failure, 'code' | 'message'>, probe: () => Promise<void>): void {
    const now = Date.now()
    const known = this.entries.get(run)
    const entry: Entry = known ?? {
      code: '',
      reason: '',
      since: new Date(now).toISOString(),
      probe,
      probes: 0,
      trial: false,
      trying: false,
      met: now,
      timer: undefined,
    }
    this.entries.set(run, entry)
    Object.assign(entry, { probe, trial: false, trying: false, met: now })
    this.describe(run, entry, failure)
    if (entry.timer === undefined) this.schedule(run, entry)
  }

  /** Leaves a job to others for a while, in milliseconds. */
  leave(job: string, duration: number): void {
    const now = Date.now()
    for (const [id, until] of this.left) if (until <= now) this.left.delete(id)
    this.left.set(job, now + duration)
    setTimeout(() => this.tell(), duration).unref()
  }

  get list(): UnfitFor[] {
    const now = Date.now()
    for (const [run, { met }] of this.beyond) if (now - met > beyondFor) this.beyond.delete(run)
    return [
      ...[...this.entries].map(([run, { code, reason, since, trial }]) => ({ run, code, reason, since, trial })),
      ...[...this.beyond].map(([run, { job, code, reason, since }]) => ({
        run,
        code,
        reason,
        since: new Date(since).toISOString(),
        trial: false,
        job,
      })),
    ]
  }

  close(): void {
    for (const { timer } of this.entries.values()) clearTimeout(timer)
    this.entries.clear()
  }

  private describe(run: string, entry: Entry, { code, message }: Pick<Failure, 'code' | 'message'>): void {
    const changed = entry.code !== code
    Object.assign(entry, { code, reason: message })
    if (changed) this.options.onEvent?.({ kind: 'unfit', run, code, reason: message, since: entry.since })
  }

  private schedule(run: string, entry: Entry): void {
    const { firstProbe = 1000, mostBetweenProbes = 30_000 } = this.options
    const delay = Math.min(mostBetweenProbes, firstProbe * 2 ** entry.probes)
    entry.probes += 1
    // Workers that lost the same thing do not all ask for it at once.
    entry.timer = setTimeout(() => void this.probe(run, entry), delay * (0.75 + Math.random() * 0.5))
    entry.timer.unref()
  }

  private async probe(run: string, entry: Entry): Promise<void> {
    if (Date.now() - entry.met > (this.options.forgetAfter ?? 600_000)) return this.drop(run, entry, 'forgotten')
    try {
      await entry.probe()
    } catch (error) {
      if (this.entries.get(run) !== entry) return
      this.describe(run, entry, classify(error))
      return this.schedule(run, entry)
    }
    if (this.entries.get(run) !== entry) return
    entry.timer = undefined
    entry.trial = true
    this.options.onEvent?.({ kind: 'trial', run })
    this.tell()
  }

  private drop(run: string, entry: Entry, kind: 'fit' | 'forgotten'): void {
    clearTimeout(entry.timer)
    this.entries.delete(run)
    this.options.onEvent?.({ kind, run })
    this.tell()
  }

  private tell(): void {
    for (const listener of this.listeners) listener()
  }
}
