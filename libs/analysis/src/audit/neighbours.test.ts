import { expect, it } from 'vitest'
import { nearestRatios, outlierScores } from './neighbours.js'

it('measures a copy by the tenth neighbour, and takes only the same features for one where there is none', () => {
  const tenth = { count: 10, places: new Uint32Array(10), distances: Float64Array.from([1, 2, 2, 2, 2, 2, 2, 2, 2, 4]) }
  expect([...nearestRatios(tenth)]).toEqual([0.25])
  const few = { count: 2, places: new Uint32Array(4), distances: Float64Array.from([1, 9, 0, 9]) }
  expect([...nearestRatios(few)]).toEqual([1, 0])
})

it('scores a row far from others by its distance, and one of a group of alike rows by the step out of it as well', () => {
  const count = 40
  const row = (inside: number, near: number, far: number): number[] => Array.from({ length: count }, (_, k) => (k < inside ? near : far))
  const distances = Float64Array.from([...row(0, 0, 10), ...row(24, 1, 8), ...row(30, 0, 8)])
  const [alone, grouped, copies] = outlierScores({ count, places: new Uint32Array(3 * count), distances })
  expect([alone, grouped, copies]).toEqual([10, 64, 8])
})
