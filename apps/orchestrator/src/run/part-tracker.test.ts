import type { PartResult } from '@layermill/contracts'
import { describe, expect, it } from 'vitest'
import type { PartEvent, PartQueue } from './part-queue.js'
import { PartFailedError, PartTracker, type PlannedJob, type TrackerTotals } from './part-tracker.js'

/** A queue in memory whose events are sent by hand. */
class FakeQueue implements PartQueue {
  readonly added: number[] = []
  readonly queued = new Set<number>()
  /** Jobs that were completed. */
  readonly completed = new Set<number>()
  largest = 0
  private listener: (event: PartEvent) => void = () => undefined
  onAdd: (parts: readonly number[]) => void = () => undefined

  async adopt(): Promise<void> {
    this.queued.clear()
  }

  async add(parts: readonly number[]): Promise<void> {
    this.added.push(...parts)
    for (const part of parts) this.queued.add(part)
    this.largest = Math.max(this.largest, this.queued.size)
    this.onAdd(parts)
  }

  async missing(parts: readonly number[]): Promise<number[]> {
    return parts.filter(part => !this.queued.has(part))
  }

  async again(parts: readonly number[]): Promise<void> {
    for (const part of parts) this.completed.delete(part)
    await this.add(parts)
  }

  async removeWaiting(): Promise<void> {
    this.queued.clear()
  }

  subscribe(listener: (event: PartEvent) => void): () => void {
    this.listener = listener
    return () => {
      this.listener = () => undefined
    }
  }

  /** A job ends, and nobody hears of it. */
  complete(part: number): void {
    this.queued.delete(part)
    this.completed.add(part)
  }

  send(event: PartEvent): void {
    if (event.kind !== 'progress') this.queued.delete(event.part)
    this.listener(event)
  }
}

async function* plan(parts: number, images = 10): AsyncGenerator<PlannedJob> {
  for (let part = 0; part < parts; part++) yield { part, images }
}

function setUp(
  options: { backlog?: number; committed?: (part: number) => Promise<PartResult | undefined>; reconcileInterval?: number } = {},
) {
  const queue = new FakeQueue()
  const abort = new AbortController()
  const seen: TrackerTotals[] = []
  const tracker = new PartTracker({
    queue,
    backlog: options.backlog ?? 1000,
    committed: options.committed ?? (async () => undefined),
    reconcileInterval: options.reconcileInterval ?? 60_000,
    signal: abort.signal,
    onChange: totals => seen.push(totals),
  })
  return { queue, abort, seen, tracker }
}

const completed = (part: number, images = 9, failed = 1): PartEvent => ({ kind: 'completed', part, result: { images, failed } })

describe('PartTracker', () => {
  it('queues every part once and counts their results', async () => {
    const { queue, tracker } = setUp()
    queue.onAdd = parts => setImmediate(() => parts.forEach(part => queue.send(completed(part))))
    await tracker.follow(plan(25))
    expect(queue.added.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => i))
    expect(tracker.current).toEqual({ images: 250, parts: 25, partsDone: 25, done: 225, failed: 25, kept: 0, computed: 225, cached: 0 })
  })

  it('tells what was there before, or was only copied, from what is computed', async () => {
    const { queue, tracker, seen } = setUp()
    tracker.addFinished({ part: 9, images: 10 }, { images: 9, failed: 1 })
    queue.onAdd = () =>
      setImmediate(() => {
        queue.send({ kind: 'progress', part: 0, result: { images: 6, failed: 0 } })
        queue.send(completed(0))
      })
    const copying = async function* (): AsyncGenerator<PlannedJob> {
      yield { part: 0, images: 10, copied: 4 }
    }
    await tracker.follow(copying())
    expect(seen.map(({ done, kept, computed }) => [done, kept, computed])).toEqual([
      [9, 10, 0],
      [9, 10, 0],
      [15, 14, 0],
      [18, 14, 5],
    ])
  })

  it('never has more than the backlog on the queue', async () => {
    const { queue, tracker } = setUp({ backlog: 4 })
    queue.onAdd = parts => setImmediate(() => parts.forEach(part => queue.send(completed(part))))
    await tracker.follow(plan(50))
    expect(queue.largest).toBeLessThanOrEqual(8)
    expect(tracker.current.done).toBe(450)
  })

  it('knows of every kind of computer how many parts are its own, those of earlier terms with them', async () => {
    const { queue, tracker } = setUp()
    const here = { engine: 'onnx', version: '1.23', device: 'cpu', cpu: 'x64-fma.1' }
    const other = { ...here, cpu: 'x64-avx512.2' }
    tracker.addFinished({ part: 9, images: 10 }, { images: 10, failed: 0, computedBy: other })
    tracker.addFinished({ part: 8, images: 10 }, { images: 10, failed: 0 })
    expect(tracker.oneByOne).toBeUndefined()
    tracker.addFinished({ part: 7, images: 10 }, { images: 10, failed: 0, oneByOne: 'a batch differs' })
    tracker.addFinished({ part: 6, images: 10 }, { images: 10, failed: 0, oneByOne: 'too' })
    expect(tracker.oneByOne).toEqual({ parts: 2, reason: 'a batch differs' })
    expect(tracker.computedBy).toEqual([{ ...other, parts: 1 }])
    queue.onAdd = parts =>
      setImmediate(() =>
        parts.forEach(part =>
          queue.send({ kind: 'completed', part, result: { images: 10, failed: 0, computedBy: part === 2 ? other : here } }),
        ),
      )
    await tracker.follow(plan(4))
    expect(tracker.computedBy).toEqual([
      { ...other, parts: 2 },
      { ...here, parts: 3 },
    ])
  })

  it('shows parts under way and counts a part only once', async () => {
    const { queue, tracker, seen } = setUp()
    queue.onAdd = () =>
      setImmediate(() => {
        queue.send({ kind: 'progress', part: 0, result: { images: 4, failed: 0 } })
        queue.send(completed(0))
        queue.send(completed(0))
      })
    await tracker.follow(plan(1))
    expect(seen.map(({ done }) => done)).toContain(4)
    expect(tracker.current).toMatchObject({ done: 9, failed: 1 })
  })

  it('finds what events did not tell: committed parts are finished, vanished ones queued again', async () => {
    const { queue, tracker } = setUp({
      reconcileInterval: 1,
      committed: async part => (part === 0 ? { images: 10, failed: 0 } : undefined),
    })
    let adds = 0
    queue.onAdd = parts => {
      adds++
      if (adds <= 2) queue.queued.clear()
      else setImmediate(() => parts.forEach(part => queue.send(completed(part))))
    }
    await tracker.follow(plan(2))
    expect(queue.added.filter(part => part === 1).length).toBeGreaterThan(1)
    expect(tracker.current).toMatchObject({ done: 19, failed: 1 })
  })

  it('leaves completed jobs on the queue, but for those whose record is gone', async () => {
    const records = new Set<number>()
    const { queue, tracker } = setUp({
      reconcileInterval: 1,
      committed: async part => (records.has(part) ? { images: 10, failed: 0 } : undefined),
    })
    queue.onAdd = parts => {
      for (const part of parts) {
        // Part 1's first result is lost with its record.
        if (part !== 1 || queue.added.filter(added => added === 1).length > 1) records.add(part)
        queue.complete(part)
      }
    }
    await tracker.follow(plan(3))
    expect(queue.added.toSorted((a, b) => a - b)).toEqual([0, 1, 1, 2])
    expect([...queue.completed].toSorted((a, b) => a - b)).toEqual([0, 1, 2])
    expect(tracker.current).toMatchObject({ partsDone: 3, done: 30 })
  })

  it('counts what the cache had, in parts under way and done', async () => {
    const { tracker, queue, seen } = setUp()
    queue.onAdd = parts =>
      setImmediate(() =>
        parts.forEach(part => {
          queue.send({ kind: 'progress', part, result: { images: 4, failed: 0, cached: 3 } })
          queue.send({ kind: 'completed', part, result: { images: 10, failed: 0, cached: 8 } })
        }),
      )
    await tracker.follow(plan(2))
    expect(seen.map(({ cached }) => cached)).toContain(3)
    expect(tracker.current).toMatchObject({ done: 20, cached: 16 })
  })

  it('stops at a part that failed for good, and at an interruption', async () => {
    const failing = setUp()
    failing.queue.onAdd = () =>
      setImmediate(() => failing.queue.send({ kind: 'failed', part: 0, code: 'STORE_FULL', message: 'disk full', hint: 'make space' }))
    const error: unknown = await failing.tracker.follow(plan(3)).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(PartFailedError)
    expect(error).toMatchObject({ code: 'STORE_FULL', message: 'part 0: disk full', hint: 'make space' })

    const interrupted = setUp()
    interrupted.queue.onAdd = () => setImmediate(() => interrupted.abort.abort(new Error('interrupted')))
    await expect(interrupted.tracker.follow(plan(3))).rejects.toThrow('interrupted')
  })

  it('lets parts under way end once a run has failed, and gives up those that wait', async () => {
    const { queue, tracker, abort } = setUp({ committed: async part => (part === 2 ? { images: 8, failed: 2 } : undefined) })
    queue.onAdd = () =>
      setImmediate(() => {
        queue.send({ kind: 'progress', part: 1, result: { images: 0, failed: 1 } })
        abort.abort(new Error('too many'))
      })
    await expect(tracker.follow(plan(4))).rejects.toThrow('too many')
    // Part 0 waits and is taken off, 1 is under way, 2 ended without a word, 3 fails.
    for (const part of [0, 2]) queue.queued.delete(part)
    const settled = tracker.settle(60_000, new AbortController().signal)
    queue.send({ kind: 'failed', part: 3, code: 'STORE_FULL', message: 'disk full' })
    setImmediate(() => queue.send(completed(1, 5, 5)))
    await settled
    expect(tracker.current).toMatchObject({ images: 40, partsDone: 2, done: 13, failed: 7 })
  })

  it('waits no longer than it may, and not once it is interrupted', async () => {
    const { queue, tracker, abort } = setUp()
    queue.onAdd = () => setImmediate(() => abort.abort(new Error('too many')))
    await expect(tracker.follow(plan(1))).rejects.toThrow('too many')
    await tracker.settle(20, new AbortController().signal)
    await tracker.settle(600_000, AbortSignal.abort())
    expect(tracker.current).toMatchObject({ partsDone: 0 })
  })
})
