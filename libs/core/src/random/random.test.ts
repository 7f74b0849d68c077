import { expect, it } from 'vitest'
import { Random } from './random.js'

it('is xoshiro128** 1.1', () => {
  // From the state 1, 2, 3, 4; the first is rotl(2 * 5, 7) * 9.
  const random = new Random([1, 2, 3, 4])
  expect([random.uint32(), random.uint32(), random.uint32(), random.uint32()]).toEqual([11_520, 0, 5_927_040, 70_819_200])
})

it('gives the same numbers for the same key, others for another', () => {
  const draw = (key: string): number[] => {
    const random = new Random(key)
    return [random.next(), random.between(5, 6), random.below(10)]
  }
  expect(draw('a')).toEqual(draw('a'))
  expect(draw('a')).not.toEqual(draw('b'))
})

it('is spread evenly', () => {
  const random = new Random('spread')
  const bins = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) bins[random.below(10)]!++
  for (const count of bins) expect(Math.abs(count - 1000)).toBeLessThan(150)
})
