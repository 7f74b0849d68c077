import { expect, it } from 'vitest'
import { SlowStore } from './slow-store.js'

it('tells a store that asks to slow down from one that does not answer as it should, by name or by status', () => {
  const slowStore = new SlowStore()
  const waits = (error: unknown, at: number): string | undefined => {
    slowStore.refused(error, at)
    slowStore.refused(error, at + 6000)
    return slowStore.waits(at + 6000)[0]?.reason
  }
  const named = Object.assign(new Error('busy'), { name: 'SlowDown', $metadata: { httpStatusCode: 503 } })
  expect(waits(named, 0)).toBe('the store asks to slow down (SlowDown)')
  // The answer to a HEAD has no body, so the SDK has no name for it.
  const head = Object.assign(new Error('Unknown'), { name: 'Unknown', $metadata: { httpStatusCode: 503 } })
  expect(waits(head, 100_000)).toBe('the store asks to slow down (503)')
  const broken = Object.assign(new Error('broken'), { name: 'InternalError', $metadata: { httpStatusCode: 500 } })
  expect(waits(broken, 200_000)).toBe('the store does not answer as it should (InternalError)')
})
