import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { endsWithin, withDeadline } from './deadline.js'

const never = new Promise<never>(() => undefined)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('answers as the work does where that is in time, and leaves no timer', async () => {
  const late = vi.fn<() => string>(() => 'late')
  expect(await withDeadline(Promise.resolve('done'), 1000, late)).toBe('done')
  expect(await withDeadline('at once', 1000, late)).toBe('at once')
  await expect(withDeadline(Promise.reject(new Error('broken')), 1000, late)).rejects.toThrow('broken')
  expect(vi.getTimerCount()).toBe(0)
  expect(late).not.toHaveBeenCalled()
})

it('answers or throws as `late` does where the time is up', async () => {
  const answered = withDeadline(never, 1000, () => 'late')
  const thrown = withDeadline(never, 1000, () => {
    throw new Error('no answer within 1000 ms')
  })
  const reason = thrown.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await answered).toBe('late')
  expect(await reason).toEqual(new Error('no answer within 1000 ms'))
})

it("takes an error of late work as nobody's", async () => {
  let fail = (_: Error): void => undefined
  const work = new Promise<string>((_, reject) => {
    fail = reject
  })
  const answered = withDeadline(work, 10, () => 'late')
  await vi.advanceTimersByTimeAsync(10)
  expect(await answered).toBe('late')
  fail(new Error('too late to matter'))
  await vi.advanceTimersByTimeAsync(0)
})

it('tells whether work ends, well or not', async () => {
  expect(await endsWithin(Promise.resolve(), 1000)).toBe(true)
  expect(await endsWithin(Promise.reject(new Error('broken')), 1000)).toBe(true)
  const late = endsWithin(never, 1000)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await late).toBe(false)
})
