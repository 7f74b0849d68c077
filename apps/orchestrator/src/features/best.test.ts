import { expect, it } from 'vitest'
import { Best } from './best.js'

it.each([1, 3, 10, 200])('keeps the best %i of many, whatever their order', count => {
  const numbers = Array.from({ length: 150 }, (_, i) => (i * 67) % 101)
  const best = new Best<number>(count, (a, b) => a - b)
  for (const number of numbers) best.add(number)
  const expected = numbers.toSorted((a, b) => a - b).slice(0, count)
  expect(best.list()).toEqual(expected)
  // Listing changes nothing.
  best.add(-1)
  expect(best.list()).toEqual([-1, ...expected].slice(0, count))
})

it('has nothing where nothing was added', () => {
  expect(new Best<number>(3, (a, b) => a - b).list()).toEqual([])
})

it('tells a bound of the best once there are as many as are kept', () => {
  const best = new Best<number>(2, (a, b) => a - b)
  best.add(5)
  expect(best.bound).toBeUndefined()
  best.add(7)
  expect(best.bound).toBe(7)
  best.add(3)
  expect(best.bound).toBe(5)
})

it('compares items for a bound that is asked for often not much more than without one', () => {
  const compared = (asks: boolean): number => {
    let count = 0
    const best = new Best<number>(1000, (a, b) => {
      count++
      return a - b
    })
    for (let i = 0; i < 20_000; i++) {
      if (asks && i % 10 === 0) expect(best.bound ?? Infinity).toBeGreaterThan(20_000 - i)
      best.add(20_000 - i)
    }
    expect(best.list()).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1))
    return count
  }
  expect(compared(true)).toBeLessThan(8 * compared(false))
})
