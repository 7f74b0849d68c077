import { expect, it } from 'vitest'
import { matrix, plainProduct } from '../matrix/matrix.js'
import { sourceOf } from '../matrix/row-source.js'
import { ridgeFolds, ridgePredictivity } from './ridge.js'

const draw = (rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, (_, i) => ((i * i * 37 + i * 7) % 101) / 16 - 3),
  )

/** Two targets that depend on the features, and one that does not vary. */
function targetsOf({ rows, columns, data }: ReturnType<typeof draw>) {
  const targets = matrix(rows, 3)
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < 2; t++)
      targets.data[i * 3 + t] = data[i * columns + t]! - 2 * data[i * columns + t + 1]! + ((i * (t + 3) * 29) % 17) / 4
    targets.data[i * 3 + 2] = 4
  }
  return targets
}

// From scikit-learn 1.9.1: RidgeCV(alphas) fitted to each fold's other rows, scores of all held-out predictions.
it.each([
  {
    shape: [24, 6],
    penalties: [1, 1, 1, 1],
    r2: [0.8578365269172898, 0.8438743455085456],
    pearson: [0.9263253018877584, 0.9213118005681328],
  },
  {
    shape: [20, 40],
    penalties: [10, 0.1, 10, 100],
    r2: [-0.019531243362970185, 0.24713131970093583],
    pearson: [0.3749148401187304, 0.5120685497008066],
  },
])('predicts targets from $shape features as scikit-learn does', async ({ shape: [rows, columns], penalties, r2, pearson }) => {
  const features = draw(rows!, columns!)
  const found = await ridgePredictivity(sourceOf(features), targetsOf(features), {
    product: plainProduct,
    folds: 4,
    seed: 's',
    penalties: [0.1, 1, 10, 100, 1000],
  })
  expect(found.penalties).toEqual(penalties)
  for (const t of [0, 1]) {
    expect(Math.abs(found.r2[t]! - r2[t]!)).toBeLessThan(1e-12)
    expect(Math.abs(found.pearson[t]! - pearson[t]!)).toBeLessThan(1e-12)
  }
  expect([found.r2[2], found.pearson[2]]).toEqual([null, null])
})

it('chooses the same penalties, and predicts the same, whatever the scale and offset of the features', async () => {
  const features = draw(24, 6)
  const options = { product: plainProduct, folds: 4, seed: 's' }
  const found = await ridgePredictivity(sourceOf(features), targetsOf(features), options)
  const moved = matrix(
    24,
    6,
    features.data.map(value => 1024 * value + 1e6),
  )
  const again = await ridgePredictivity(sourceOf(moved), targetsOf(features), options)
  for (const t of [0, 1]) expect(Math.abs(found.r2[t]! - again.r2[t]!)).toBeLessThan(1e-9)
  for (const [fold, penalty] of again.penalties.entries()) expect(penalty / found.penalties[fold]! / 1024 ** 2).toBeCloseTo(1, 6)
})

it('deals rows to folds evenly, by the seed, and refuses more folds than rows', async () => {
  const folds = ridgeFolds(10, 3, 'a')
  expect([0, 1, 2].map(fold => folds.filter(value => value === fold).length)).toEqual([4, 3, 3])
  expect([...ridgeFolds(10, 3, 'b')]).not.toEqual([...folds])
  const features = draw(4, 2)
  const options = { product: plainProduct, folds: 5, seed: 's' }
  await expect(ridgePredictivity(sourceOf(features), targetsOf(features), options)).rejects.toThrow('5 folds of 4 rows')
})
