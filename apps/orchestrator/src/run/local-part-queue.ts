import { setTimeout as sleep } from 'node:timers/promises'
import { makePayload, type PartResult, type RunRecord } from '@layermill/contracts'
import { classify, endsWithin, errorHint } from '@layermill/core'
import { type PartProcessor, throttled } from '@layermill/inference'
import type { PartEvent, PartQueue } from './part-queue.js'

/** Parts at once: two, so that reading the next one hides behind computing this one. */
const atOnce = 2
/** Attempts at a part, as on a broker's queue. */
const attempts = 5
/** Milliseconds before a part is tried again, doubled each time; a random half of it is left out, as on a broker's queue. */
const firstDelayMs = 1000
/** Least milliseconds between two reports of a part's progress. */
const progressIntervalMs = 500
/** Milliseconds for which parts that were told to stop are waited for. */
const stopMs = 1000

export interface LocalPartQueueOptions {
  readonly record: RunRecord
  readonly storeUrl: string
  readonly processor: Pick<PartProcessor, 'process'>
  /** Waits before another attempt; fails once the signal is aborted. Default: a timer. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
}

/** The parts of one run, computed in this process. Nothing of it outlives the process: the store says what is done. */
export class LocalPartQueue implements PartQueue {
  private readonly waiting: number[] = []
  /** Waiting, between two attempts, or under way. */
  private readonly held = new Set<number>()
  private readonly workers = new Set<Promise<void>>()
  /** Ends pauses between attempts. */
  private readonly given = new AbortController()
  private readonly stop = new AbortController()
  private listener: (event: PartEvent) => void = () => undefined

  constructor(private readonly options: LocalPartQueueOptions) {}

  async adopt(): Promise<void> {}

  async add(parts: readonly number[]): Promise<void> {
    for (const part of parts) {
      if (this.held.has(part) || this.given.signal.aborted) continue
      this.held.add(part)
      this.waiting.push(part)
    }
    while (this.workers.size < atOnce && this.waiting.length > 0) this.openWorker()
  }

  async missing(parts: readonly number[]): Promise<number[]> {
    return parts.filter(part => !this.held.has(part))
  }

  again(parts: readonly number[]): Promise<void> {
    return this.add(parts)
  }

  async removeWaiting(): Promise<void> {
    for (const part of this.waiting.splice(0)) this.held.delete(part)
  }

  subscribe(listener: (event: PartEvent) => void): () => void {
    this.listener = listener
    return () => {
      if (this.listener === listener) this.listener = () => undefined
    }
  }

  /** Begins no part any more, and waits for those under way; after `deadlineMs` they are told to stop. */
  async close(deadlineMs = 10_000): Promise<void> {
    this.given.abort()
    await this.removeWaiting()
    if (await endsWithin(Promise.all(this.workers), deadlineMs)) return
    this.stop.abort(new Error('the queue is closed'))
    await endsWithin(Promise.all(this.workers), stopMs)
  }

  private openWorker(): void {
    const worker = this.work().finally(() => this.workers.delete(worker))
    this.workers.add(worker)
  }

  /** Takes parts until none waits. */
  private async work(): Promise<void> {
    for (let part = this.waiting.shift(); part !== undefined; part = this.waiting.shift()) {
      const event = await this.outcome(part)
      this.held.delete(part)
      if (event !== undefined) this.listener(event)
    }
  }

  /** A part's end; undefined where the queue was closed before it came. */
  private async outcome(part: number): Promise<PartEvent | undefined> {
    const { signal: given } = this.given
    for (let attempt = 1; ; attempt++) {
      try {
        return { kind: 'completed', part, result: await this.compute(part) }
      } catch (error) {
        if (this.stop.signal.aborted) return undefined
        const { code, message, retry } = classify(error)
        if (retry === 'never' || attempt === attempts) {
          const hint = errorHint(error)
          return { kind: 'failed', part, code, message, ...(hint === undefined ? {} : { hint }) }
        }
        const { pause = (ms, signal) => sleep(ms, undefined, { signal }) } = this.options
        await pause(firstDelayMs * 2 ** (attempt - 1) * (1 - Math.random() / 2), given).catch(() => undefined)
        if (given.aborted) return undefined
      }
    }
  }

  private compute(part: number): Promise<PartResult> {
    const { record, storeUrl, processor } = this.options
    const payload = makePayload('part', { v: 1, run: record.id, store: storeUrl, part, generation: record.generation })
    const report = throttled<PartResult>(progressIntervalMs, result => this.listener({ kind: 'progress', part, result }))
    return processor.process(payload, report, this.stop.signal)
  }
}
