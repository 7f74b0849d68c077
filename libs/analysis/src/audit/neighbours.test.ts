import { expect, it } from 'vitest'
import { Random } from '@layermill/core'
import { matrix, plainProduct } from '../matrix/matrix.js'
import { sourceOf } from '../matrix/row-source.js'
import { nearestNeighbours, nearestRatios, outlierScores } from './neighbours.js'

it('finds the nearest of all rows and of those of another set, of equal ones the first, over several blocks', async () => {
  // More rows than a block has, on a small grid: most distances tie, and some rows are equal.
  const random = new Random('neighbours')
  const [rows, columns, count] = [1400, 3, 4]
  const grid = (size: number) =>
    matrix(
      size,
      columns,
      Float64Array.from({ length: size * columns }, () => random.below(9)),
    )
  const [all, few] = [grid(rows), grid(50)]
  const expected = (x: typeof all, of: typeof all, row: number): number[] =>
    Array.from({ length: of.rows }, (_, other) => {
      let square = 0
      for (let k = 0; k < columns; k++) square += (x.data[row * columns + k]! - of.data[other * columns + k]!) ** 2
      return { other, square }
    })
      .filter(({ other }) => x !== of || other !== row)
      .toSorted((a, b) => a.square - b.square || a.other - b.other)
      .slice(0, count)
      .map(({ other }) => other)
  const options = { product: plainProduct, count }
  const own = await nearestNeighbours(sourceOf(all), options)
  for (const row of [0, 1, 700, 1023, 1024, 1399])
    expect([...own.places.subarray(row * count, (row + 1) * count)]).toEqual(expected(all, all, row))
  const found = await nearestNeighbours(sourceOf(few), options, sourceOf(all))
  for (const row of [0, 49]) expect([...found.places.subarray(row * count, (row + 1) * count)]).toEqual(expected(few, all, row))
})

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
