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

it('tells the last of the best once there are as many as are kept', () => {
  const best = new Best<number>(2, (a, b) => a - b)
  best.add(5)
  expect(best.last).toBeUndefined()
  best.add(7)
  expect(best.last).toBe(7)
  best.add(3)
  expect(best.last).toBe(5)
})
