import { expect, it } from 'vitest'
import { nearestRatios } from './neighbours.js'

it('measures a copy by the tenth neighbour, and takes only the same features for one where there is none', () => {
  const tenth = { count: 10, places: new Uint32Array(10), distances: Float64Array.from([1, 2, 2, 2, 2, 2, 2, 2, 2, 4]) }
  expect([...nearestRatios(tenth)]).toEqual([0.25])
  const few = { count: 2, places: new Uint32Array(4), distances: Float64Array.from([1, 9, 0, 9]) }
  expect([...nearestRatios(few)]).toEqual([1, 0])
})
