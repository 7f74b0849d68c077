import type { ComputedBy, PartResult, RunRecord, WorkerPhases } from '@layermill/contracts'
import { WakeableSleep } from '@layermill/core'
import type { PartEvent, PartQueue } from './part-queue.js'
import { PhaseSums } from './phase-sums.js'

export interface PlannedJob {
  readonly part: number
  readonly images: number
  /** Images of them whose results exist in another part. */
  readonly copied?: number
}

export interface TrackerTotals {
  /** Images of the parts planned so far. */
  readonly images: number
  readonly parts: number
  readonly partsDone: number
  /** Images with a result, of finished parts and of parts under way. */
  readonly done: number
  readonly failed: number
  /** Images, failed ones included, that were finished before the run was taken up, or only copied since. */
  readonly kept: number
  /** Images with a result that were computed since, or taken from a cache. */
  readonly computed: number
  /** Images of them that the cache had, as far as workers have told. */
  readonly cached: number
  /** Values that are NaN or infinite in the files; only where there are some. */
  readonly overflow?: number
}

export interface TrackerOptions {
  readonly queue: PartQueue
  /** Jobs on the queue at once: bounded, so that a run of millions of parts does not fill it. */
  readonly backlog: number
  /** The result in the part's commit record, undefined where there is none. */
  readonly committed: (part: number) => Promise<PartResult | undefined>
  /** Milliseconds between looks at the queue and the store, for events that were lost. */
  readonly reconcileInterval: number
  readonly signal: AbortSignal
  /** Called after every change. */
  readonly onChange: (totals: TrackerTotals) => void
}

/** Milliseconds between looks at parts that are to end. */
const settleIntervalMs = 250

/** A part that failed for good: all its attempts, or a fault that another attempt cannot mend. */
export class PartFailedError extends Error {
  constructor(
    readonly part: number,
    readonly code: string,
    message: string,
    readonly hint?: string,
  ) {
    super(`part ${part}: ${message}`)
    this.name = 'PartFailedError'
  }
}

/** Keeps a bounded number of a run's parts on the queue and follows them until each has its commit record. */
export class PartTracker {
  private readonly outstanding = new Map<number, PlannedJob>()
  private readonly underWay = new Map<number, PartResult>()
  private readonly totals = { images: 0, parts: 0, partsDone: 0, done: 0, failed: 0, kept: 0, computed: 0, cached: 0 }
  private overflow = 0
  private readonly computers = new Map<string, ComputedBy & { parts: number }>()
  private readonly sums = new PhaseSums()
  private agreement: { images: number; cosine: Record<string, number> } | undefined
  private single: { parts: number; reason: string } | undefined
  private failure: PartFailedError | undefined
  private readonly pause = new WakeableSleep()

  constructor(private readonly options: TrackerOptions) {}

  /** Counts a part that was finished before. */
  addFinished(job: PlannedJob, result: PartResult): void {
    this.count(job)
    this.totals.partsDone += 1
    this.totals.done += result.images
    this.totals.failed += result.failed
    this.totals.kept += result.images + result.failed
    this.overflow += result.overflow ?? 0
    this.noteComputer(result)
    this.changed()
  }

  /**
   * Queues the parts of a plan as there is room, and resolves when all of them are committed.
   * @throws PartFailedError; the signal's reason when it is aborted.
   */
  async follow(plan: AsyncIterable<PlannedJob>): Promise<void> {
    await this.options.queue.adopt()
    const unsubscribe = this.options.queue.subscribe(event => this.onEvent(event))
    const onAbort = (): void => this.pause.wake()
    this.options.signal.addEventListener('abort', onAbort)
    try {
      await this.queueAll(plan)
      while (this.outstanding.size > 0) await this.change()
    } finally {
      unsubscribe()
      this.options.signal.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Waits until the parts under way have ended, so that what they have written is counted; waiting ones are given up. For a run that has
   * failed and takes no more parts.
   * @param limitMs most milliseconds to wait
   */
  async settle(limitMs: number, signal: AbortSignal): Promise<void> {
    const { queue, committed } = this.options
    const deadline = performance.now() + limitMs
    const unsubscribe = queue.subscribe(event => {
      if (event.kind === 'failed') this.giveUp(event.part)
      else this.onEvent(event)
      this.pause.wake()
    })
    try {
      while (this.outstanding.size > 0 && !signal.aborted && performance.now() < deadline) {
        for (const part of await queue.missing([...this.outstanding.keys()])) {
          const result = await committed(part)
          if (!this.outstanding.has(part)) continue
          if (result === undefined) this.giveUp(part)
          else this.finish(part, result)
        }
        if (this.outstanding.size > 0) await this.pause.sleep(Math.min(settleIntervalMs, limitMs))
      }
    } finally {
      unsubscribe()
    }
  }

  private giveUp(part: number): void {
    this.outstanding.delete(part)
    this.underWay.delete(part)
  }

  /** Computers of the finished parts, in one order, with the number of parts of each. */
  get computedBy(): (ComputedBy & { parts: number })[] {
    return [...this.computers].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, computer]) => computer)
  }

  /** Busy time of the workers in the parts that were finished since the run was taken up. */
  get phases(): WorkerPhases[] {
    return this.sums.list()
  }

  /** Finished parts whose images were computed one at a time, and the reason of the first; undefined where there are none. */
  get oneByOne(): { parts: number; reason: string } | undefined {
    return this.single
  }

  /** Images of the parts finished since the run was taken up that were decoded exactly as well, and each layer's mean cosine to that. */
  get draft(): RunRecord['draft'] {
    if (this.agreement === undefined) return undefined
    const { images, cosine } = this.agreement
    return { images, cosine: Object.fromEntries(Object.entries(cosine).map(([layer, sum]) => [layer, sum / images])) }
  }

  get current(): TrackerTotals {
    const partial = [...this.underWay.values()]
    const kept = [...this.underWay].reduce((sum, [part, { images }]) => sum + Math.min(images, this.copiedOf(part)), this.totals.kept)
    const overflow = partial.reduce((sum, result) => sum + (result.overflow ?? 0), this.overflow)
    return {
      ...this.totals,
      done: partial.reduce((sum, { images }) => sum + images, this.totals.done),
      failed: partial.reduce((sum, { failed }) => sum + failed, this.totals.failed),
      kept,
      cached: partial.reduce((sum, { cached = 0 }) => sum + cached, this.totals.cached),
      ...(overflow > 0 ? { overflow } : {}),
    }
  }

  private async queueAll(plan: AsyncIterable<PlannedJob>): Promise<void> {
    let room: PlannedJob[] = []
    const add = async (): Promise<void> => {
      const jobs = room
      room = []
      for (const job of jobs) this.outstanding.set(job.part, job)
      if (jobs.length > 0) await this.options.queue.add(jobs.map(({ part }) => part))
    }
    for await (const job of plan) {
      this.options.signal.throwIfAborted()
      this.count(job)
      room.push(job)
      this.changed()
      // The first jobs go out at once, so that workers start; later ones in bulk.
      if (room.length >= Math.min(100, this.outstanding.size + 1)) await add()
      while (this.outstanding.size >= this.options.backlog) await this.change()
    }
    await add()
  }

  private count(job: PlannedJob): void {
    this.totals.images += job.images
    this.totals.parts += 1
  }

  private onEvent(event: PartEvent): void {
    if (!this.outstanding.has(event.part)) return
    if (event.kind === 'failed') this.failure ??= new PartFailedError(event.part, event.code, event.message, event.hint)
    else if (event.kind === 'progress') this.underWay.set(event.part, event.result)
    else this.finish(event.part, event.result)
    this.changed()
  }

  private copiedOf(part: number): number {
    return this.outstanding.get(part)?.copied ?? 0
  }

  private finish(part: number, result: PartResult): void {
    const copied = Math.min(this.copiedOf(part), result.images)
    this.totals.kept += copied
    this.totals.computed += result.images - copied
    this.outstanding.delete(part)
    this.underWay.delete(part)
    this.totals.partsDone += 1
    this.totals.done += result.images
    this.totals.failed += result.failed
    this.totals.cached += result.cached ?? 0
    this.overflow += result.overflow ?? 0
    this.noteComputer(result)
    this.noteDraft(result)
    this.sums.add(result)
  }

  private noteDraft({ draft }: PartResult): void {
    if (draft === undefined) return
    this.agreement ??= { images: 0, cosine: {} }
    this.agreement.images += draft.images
    for (const [layer, sum] of Object.entries(draft.cosine)) this.agreement.cosine[layer] = (this.agreement.cosine[layer] ?? 0) + sum
  }

  private noteComputer({ computedBy, oneByOne }: PartResult): void {
    if (oneByOne !== undefined) this.single = { parts: (this.single?.parts ?? 0) + 1, reason: this.single?.reason ?? oneByOne }
    if (computedBy === undefined) return
    const { engine, version, device, cpu } = computedBy
    const key = JSON.stringify([engine, version, device, cpu])
    this.computers.set(key, { engine, version, device, cpu, parts: (this.computers.get(key)?.parts ?? 0) + 1 })
  }

  private changed(): void {
    this.options.onChange(this.current)
    this.pause.wake()
  }

  /** Waits for the next event, or looks for lost ones after the interval. */
  private async change(): Promise<void> {
    this.check()
    const timedOut = await this.pause.sleep(this.options.reconcileInterval)
    this.check()
    if (timedOut) await this.reconcile()
  }

  private check(): void {
    this.options.signal.throwIfAborted()
    if (this.failure !== undefined) throw this.failure
  }

  /** Parts that left the queue unnoticed are finished if they have their record; else (a queue that was wiped) they are queued again. */
  private async reconcile(): Promise<void> {
    const lost = await this.options.queue.missing([...this.outstanding.keys()])
    const again: number[] = []
    for (const part of lost) {
      const result = await this.options.committed(part)
      if (!this.outstanding.has(part)) continue
      if (result === undefined) again.push(part)
      else this.finish(part, result)
    }
    if (again.length > 0) await this.options.queue.again(again)
    this.changed()
  }
}
