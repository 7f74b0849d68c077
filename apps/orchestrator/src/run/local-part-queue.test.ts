import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PartResult, RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import { LocalPartQueue, type LocalPartQueueOptions } from './local-part-queue.js'
import type { PartEvent } from './part-queue.js'

const record = { id: 'extract-1', generation: 3 } as RunRecord
const done: PartResult = { images: 4, failed: 0 }

/** A queue over a processor that ends a part when it is told to. */
function setUp(pause?: LocalPartQueueOptions['pause']) {
  const calls: { part: number; data: unknown; signal: AbortSignal; end: (result: PartResult) => void; fail: (error: unknown) => void }[] =
    []
  const events: PartEvent[] = []
  const process: LocalPartQueueOptions['processor']['process'] = (data, report, signal) =>
    new Promise((resolve, reject) => {
      report({ images: 0, failed: 0, total: 4 })
      const { part } = data as { part: number }
      calls.push({ part, data, signal, end: resolve, fail: reject })
      signal.addEventListener('abort', () => reject(new Error('stopped')))
    })
  const queue = new LocalPartQueue({ record, storeUrl: '/out', processor: { process }, pause })
  queue.subscribe(event => events.push(event))
  return { queue, calls, events, parts: () => calls.map(({ part }) => part) }
}

describe('LocalPartQueue', () => {
  it('computes two parts at once in their order, each once, and tells of their ends', async () => {
    const { queue, calls, events, parts } = setUp()
    await queue.add([7, 8, 9])
    await queue.add([8])
    expect(parts()).toEqual([7, 8])
    expect(calls[0]!.data).toEqual({ v: 1, run: 'extract-1', store: '/out', part: 7, generation: 3 })
    expect(await queue.missing([7, 8, 9, 10])).toEqual([10])
    calls[1]!.end(done)
    await nextTurn()
    expect(parts()).toEqual([7, 8, 9])
    expect(await queue.missing([7, 8, 9])).toEqual([8])
    expect(events.filter(({ kind }) => kind !== 'progress')).toEqual([{ kind: 'completed', part: 8, result: done }])
    expect(events[0]).toMatchObject({ kind: 'progress', part: 7, result: { images: 0 } })
    calls[0]!.end(done)
    calls[2]!.end(done)
    await queue.close()
    expect(await queue.missing([7, 8, 9])).toEqual([7, 8, 9])
  })

  it('tries a part five times, waiting longer each time, and what cannot be mended once', async () => {
    const pauses: number[] = []
    const { queue, calls, events } = setUp(async milliseconds => void pauses.push(milliseconds))
    await queue.add([0])
    for (let attempt = 0; attempt < 5; attempt++) {
      calls[attempt]!.fail(new LayermillError('STORE_UNREACHABLE', `no answer ${attempt}`))
      await nextTurn()
    }
    expect(calls).toHaveLength(5)
    pauses.forEach((pause, i) => expect(pause / 2 ** i).toBeGreaterThanOrEqual(500))
    pauses.forEach((pause, i) => expect(pause / 2 ** i).toBeLessThanOrEqual(1000))
    expect(pauses).toHaveLength(4)
    expect(events.at(-1)).toEqual({ kind: 'failed', part: 0, code: 'STORE_UNREACHABLE', message: 'no answer 4' })

    await queue.again([0])
    calls[5]!.fail(new LayermillError('SPEC_INVALID', 'no such layer'))
    await nextTurn()
    expect(calls).toHaveLength(6)
    expect(events.at(-1)).toEqual({ kind: 'failed', part: 0, code: 'SPEC_INVALID', message: 'no such layer' })
    await queue.close()
  })

  it('takes off what has not begun', async () => {
    const { queue, calls, parts } = setUp()
    await queue.add([0, 1, 2, 3])
    await queue.removeWaiting()
    expect(await queue.missing([0, 1, 2, 3])).toEqual([2, 3])
    calls.forEach(({ end }) => end(done))
    await queue.close()
    expect(parts()).toEqual([0, 1])
  })

  it('lets parts under way end when it is closed, and stops them after the deadline', async () => {
    const { queue, calls, events } = setUp(() => Promise.reject(new Error('stopped')))
    await queue.add([0, 1, 2])
    calls[0]!.fail(new LayermillError('STORE_UNREACHABLE', 'no answer'))
    const closing = queue.close(20)
    expect(calls[1]!.signal.aborted).toBe(false)
    await closing
    expect(calls[1]!.signal.aborted).toBe(true)
    expect(calls.map(({ part }) => part)).toEqual([0, 1])
    expect(events.filter(({ kind }) => kind !== 'progress')).toEqual([])
  })
})
