import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { matrix, plainProduct } from '../matrix/matrix.js'
import { meanRows, sourceOf, takenRows } from '../matrix/row-source.js'
import { nearLeaks } from './leaks.js'

const of = (columns: number, values: readonly number[]) => sourceOf(matrix(values.length / columns, columns, Float64Array.from(values)))

it('finds training rows that are nearly held-out ones, copies of copies too, by distances in the training set', async () => {
  const random = new Random('leaks')
  const columns = 16
  const uniform = (rows: number): number[] => Array.from({ length: rows * columns }, () => random.between(-1, 1))
  // Rows 40 and 41 are nearly the first held-out row, row 42 the second; the third held-out row is new.
  const heldOut = uniform(3)
  const near = (row: number): number[] =>
    heldOut.slice(columns * row, columns * (row + 1)).map(value => value + random.between(-0.01, 0.01))
  const training = of(columns, [...uniform(40), ...near(0), ...near(0), ...near(1)])
  const pairs = (await nearLeaks(of(columns, heldOut), training, { product: plainProduct })).map(leak => [leak.heldOut, leak.training])
  expect(pairs.toSorted(([, a], [, b]) => a! - b!)).toEqual([
    [0, 40],
    [0, 41],
    [1, 42],
  ])
})

it('takes the same features alone for the same where a class has fewer rows than there are neighbours to measure by', async () => {
  // A tight class of four far from all else: the tenth neighbour is far.
  const others = Array.from({ length: 12 }, (_, i) => 100 + i)
  const training = of(1, [0, 1, 2, 3, ...others])
  const rule = { product: plainProduct }
  expect(await nearLeaks(of(1, [1.4]), training, rule)).toHaveLength(4)
  expect(await nearLeaks(of(1, [1.4]), training, { ...rule, ratio: 0.005 })).toEqual([
    { heldOut: 0, training: 1, ratio: expect.closeTo(0.4 / 103.6) },
  ])
  expect(await nearLeaks(of(1, [1.01]), training, { ...rule, alike: () => 4 })).toEqual([])
  expect(await nearLeaks(of(1, [1]), training, { ...rule, alike: () => 4 })).toEqual([{ heldOut: 0, training: 1, ratio: 0 }])
  expect(await nearLeaks(of(1, [1.01, 3]), of(1, [1, 2, 3]), rule)).toEqual([{ heldOut: 1, training: 2, ratio: 0 }])
})

it('takes rows of a source, and means of maps', async () => {
  const source = of(
    4,
    Array.from({ length: 6 * 4 }, (_, i) => i),
  )
  const taken = takenRows(source, [1, 2, 5])
  expect([...(await taken.read(0, 3))]).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23])
  expect([...(await meanRows(taken, 2).read(1, 3))]).toEqual([8.5, 10.5, 20.5, 22.5])
})
