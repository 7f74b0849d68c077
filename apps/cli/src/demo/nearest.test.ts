import { expect, it } from 'vitest'
import { nearestImages } from './nearest.js'

it('finds the images with the most similar features', () => {
  const rows = Object.entries({ a: [10, 0, 1], b: [10, 0, 2], c: [10, 5, 0], d: [10, 6, 0] })
  const nearest = nearestImages(
    rows.map(([path, values]) => ({ path, values: Float32Array.from(values) })),
    2,
  )
  expect(nearest.map(list => list[0]!.path)).toEqual(['b', 'a', 'd', 'c'])
  expect(nearest[0]).toHaveLength(2)
  expect(nearest[0]![0]!.score).toBeGreaterThan(nearest[0]![1]!.score)
})
