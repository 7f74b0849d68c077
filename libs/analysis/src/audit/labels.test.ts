import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { matrix, takeRows } from '../matrix/matrix.js'
import { outOfFoldProbabilities } from './labels.js'
import { fitLogistic, probabilities } from './logistic.js'

it('fits the classifier of a fold to some of many rows, spread evenly, and judges all rows of the fold', () => {
  const random = new Random('labels')
  const rows = 2000
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % 2)
  const x = matrix(
    rows,
    3,
    Float64Array.from({ length: rows * 3 }, (_, at) => (at % 3 === 0 ? labels[(at - (at % 3)) / 3]! : 0) + random.between(-1, 1)),
  )
  const folds = Uint32Array.from({ length: rows }, (_, row) => (row % 4 < 2 ? 0 : 1))
  const found = outOfFoldProbabilities(x, labels, 2, folds, { mostFitted: 10 })
  // 400 rows, 200 for each class: of the thousand of the other fold.
  const others = Array.from({ length: rows }, (_, row) => row).filter(row => folds[row] === 1)
  const fitted = Array.from({ length: 400 }, (_, i) => others[Math.floor((i * 1000) / 400)]!)
  const own = fitLogistic(
    takeRows(x, fitted),
    fitted.map(row => labels[row]!),
    2,
  )
  const first = Array.from({ length: rows }, (_, row) => row).filter(row => folds[row] === 0)
  const expected = probabilities(own, takeRows(x, first))
  expect(first.map(row => found[2 * row + 1])).toEqual(first.map((_, i) => expected[2 * i + 1]))
  const all = outOfFoldProbabilities(x, labels, 2, folds)
  expect(all).not.toEqual(found)
  expect(found.every((value, at) => Math.abs(value - all[at]!) < 0.2)).toBe(true)
})
