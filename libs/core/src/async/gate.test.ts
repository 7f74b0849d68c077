import { expect, it } from 'vitest'
import { Gate } from './gate.js'

/** Calls that end when they are told to, and those that have begun. */
function calls(gate: Gate) {
  const begun: string[] = []
  const end = new Map<string, () => void>()
  const start = (name: string, weight?: number, signal?: AbortSignal): Promise<void> =>
    gate.run(
      () => {
        begun.push(name)
        return new Promise<void>(resolve => end.set(name, resolve))
      },
      weight,
      signal,
    )
  const finish = async (name: string, running: Promise<void>): Promise<void> => {
    end.get(name)!()
    await running
    await Promise.resolve()
  }
  return { begun, start, finish }
}

it('admits by number, in the order of arrival', async () => {
  const { begun, start, finish } = calls(new Gate(2))
  const running = [start('a'), start('b'), start('c'), start('d')]
  expect(begun).toEqual(['a', 'b'])
  await finish('b', running[1]!)
  expect(begun).toEqual(['a', 'b', 'c'])
  await finish('a', running[0]!)
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
})

it('admits by weight, one too heavy alone, and nothing overtakes it', async () => {
  const { begun, start, finish } = calls(new Gate(8, 10))
  const running = [start('a', 6), start('b', 4), start('heavy', 30), start('light', 1)]
  expect(begun).toEqual(['a', 'b'])
  await finish('a', running[0]!)
  expect(begun).toEqual(['a', 'b'])
  await finish('b', running[1]!)
  expect(begun).toEqual(['a', 'b', 'heavy'])
  await finish('heavy', running[2]!)
  expect(begun).toEqual(['a', 'b', 'heavy', 'light'])
})

it('gives the place back where a call fails', async () => {
  const gate = new Gate(1, 5)
  await expect(gate.run(() => Promise.reject(new Error('broken')), 5)).rejects.toThrow('broken')
  expect(await gate.run(() => Promise.resolve(1), 5)).toBe(1)
})

it('gives up a place that is waited for no more', async () => {
  const { begun, start, finish } = calls(new Gate(Infinity, 100))
  const stop = new AbortController()
  const first = start('first', 90, stop.signal)
  const large = start('large', 500, stop.signal)
  const small = start('small', 10)
  expect(begun).toEqual(['first'])
  stop.abort(new Error('stopped'))
  await expect(large).rejects.toThrow('stopped')
  expect(begun).toEqual(['first', 'small'])
  // A call that has begun goes on to its end.
  await finish('first', first)
  await finish('small', small)
  await expect(start('late', 1, AbortSignal.abort(new Error('late')))).rejects.toThrow('late')
  expect(begun).toEqual(['first', 'small'])
})
