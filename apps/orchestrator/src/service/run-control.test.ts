import type { Store } from '@layermill/storage'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fencedStore } from './fenced-store.js'
import { RunCancelled, RunControl, RunLost } from './run-control.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function storeThatCounts(): { store: Store; written: string[] } {
  const written: string[] = []
  const store: Store = {
    url: '/out',
    get: async () => new Uint8Array(1),
    getRange: async () => undefined,
    stat: async () => undefined,
    async *list() {},
    swapsExactly: async () => true,
    freeBytes: async () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
    put: async key => written.push(key) > 0,
    putStream: async key => written.push(key) > 0,
    delete: async key => void written.push(`-${key}`),
  }
  return { store, written }
}

it('lets a process write while its lock lasts, and nothing once it may have run out', async () => {
  const control = new RunControl(10_000)
  const { store, written } = storeThatCounts()
  const fenced = fencedStore(store, () => control.check())
  await fenced.put('run.json', '')
  vi.advanceTimersByTime(8000)
  control.renew()
  vi.advanceTimersByTime(8000)
  await fenced.delete('_SUCCESS')
  expect(control.signal.aborted).toBe(false)
  // Frozen for a while: no timer ran, but the clock did.
  vi.advanceTimersByTime(1500)
  await expect(fenced.put('_SUCCESS', '')).rejects.toThrow(RunLost)
  expect(control.signal.reason).toBeInstanceOf(RunLost)
  // Too late.
  control.renew()
  await expect(fenced.delete('run.json')).rejects.toThrow(RunLost)
  expect(await fenced.get('run.json')).toHaveLength(1)
  expect(written).toEqual(['run.json', '-_SUCCESS'])
})

it('still writes for a run that was cancelled: its end has to be noted', async () => {
  const control = new RunControl(10_000)
  control.stop(new RunCancelled())
  const { store, written } = storeThatCounts()
  await fencedStore(store, () => control.check()).put('run.json', '')
  expect(written).toEqual(['run.json'])
})
