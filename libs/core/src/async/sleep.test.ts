import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { WakeableSleep } from './sleep.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('sleeps for its time', async () => {
  const pause = new WakeableSleep()
  const slept = pause.sleep(1000)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await slept).toBe(true)
})

it('is woken early, once, and leaves no timer', async () => {
  const pause = new WakeableSleep()
  const slept = pause.sleep(1000)
  pause.wake()
  pause.wake()
  expect(await slept).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})

it('forgets a wake while nobody sleeps', async () => {
  const pause = new WakeableSleep()
  pause.wake()
  const slept = pause.sleep(1000)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await slept).toBe(true)
})
