import { expect, it } from 'vitest'
import { Rate } from './progress-report.js'

it('rates the last half minute', () => {
  let time = 0
  const rate = new Rate(() => time)
  expect(rate.update(100)).toBeUndefined()
  time = 10_000
  expect(rate.update(200)).toBe(10)
  time = 60_000
  expect(rate.update(300)).toBeCloseTo(2)
  // Progress from before the half minute no longer counts.
  time = 90_000
  expect(rate.update(3300)).toBe(100)
})
