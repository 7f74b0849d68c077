import { expect, it } from 'vitest'
import { principalComponents } from './components.js'
import { nearestRows } from './neighbours.js'

it('finds the directions of largest variance', () => {
  // On a line in three dimensions, a little off it in the second: all that there is are two components.
  const rows = [
    [1, 0.1, 2],
    [2, -0.1, 4],
    [3, -0.1, 6],
    [4, 0.1, 8],
  ]
  const { rows: places, variance } = principalComponents(Float32Array.from(rows.flat()), 4, 3, 3)
  const along = places.map(([first]) => first!)
  const step = Math.sqrt(5)
  for (let i = 1; i < 4; i++) expect(Math.abs(along[i]! - along[i - 1]!)).toBeCloseTo(step, 3)
  expect(variance[0]! + variance[1]!).toBeCloseTo(1, 6)
  expect(variance[1]!).toBeCloseTo(0.04 / (0.04 + 25), 4)
  expect(variance[2]!).toBeCloseTo(0, 6)
})

it('keeps distances where all components are kept', () => {
  const values = Float32Array.from({ length: 6 * 40 }, (_, i) => Math.sin(i * 1.7) + Math.cos(i * 0.3))
  const { rows } = principalComponents(values, 6, 40, 6)
  const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => Math.hypot(...Array.from(a, (x, i) => x - b[i]!))
  const row = (i: number): Float32Array => values.subarray(i * 40, (i + 1) * 40)
  for (let i = 1; i < 6; i++) expect(distance(rows[0]!, rows[i]!)).toBeCloseTo(distance(row(0), row(i)), 3)
})

it('ranks rows by their cosine', () => {
  const rows = ['a', 'b', 'c', 'd'].map(key => ({ part: 0, key }))
  const values = Float32Array.from([1, 0, 2, 0.1, 0, 1, -1, 0])
  expect(nearestRows({ images: 4, rows, dimensions: 2, values }, 0, 2)).toEqual([
    { point: 1, similarity: expect.closeTo(0.99875, 4) as number },
    { point: 2, similarity: 0 },
  ])
})
