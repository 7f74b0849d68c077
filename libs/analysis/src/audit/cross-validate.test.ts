import { lowbias32, fnv1a32 } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import { matrix } from '../matrix/matrix.js'
import { crossValidate, studentQuantile } from './cross-validate.js'
import { fitLogistic, logisticLoss, probabilities } from './logistic.js'

const uniform = (name: string, i: number): number => lowbias32((Math.imul(i, 0x9e3779b9) + fnv1a32(name)) >>> 0) / 2 ** 32
const ints = (name: string, count: number, levels: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor(levels * uniform(name, i)) - levels / 2)

/** Rows of 32 numbers with 8 things in common, and labels that have nothing to do with them. */
function rows(count: number) {
  const [z, w, e] = [ints('an1:z', count * 8, 256), ints('an1:features:w', 8 * 32, 256), ints('an1:features:e', count * 32, 16_384)]
  const data = Float64Array.from(e, (value, at) => {
    const [i, j] = [Math.floor(at / 32), at % 32]
    let sum = value
    for (let k = 0; k < 8; k++) sum += z[i * 8 + k]! * w[k * 32 + j]!
    return sum / 16_384
  })
  return { x: matrix(count, 32, data), labels: Array.from({ length: count }, (_, i) => Math.floor(3 * uniform('probe:labels', i))) }
}

/** Of scikit-learn 1.9.1: mean log loss, with the penalty, and the first row's probability of the first class. */
const reference = [
  [0.01, 0.9926821881365381, 1.030126454247255, 0.17824013686759635],
  [1, 0.5523479800450284, 0.6908935489881054, 0.13410184791019927],
  [100, 0.03783613884984095, 0.09862384019279716, 0.021875728090836776],
] as const

describe('the linear probe', () => {
  it.each(reference)('at C %d has the loss of LogisticRegression', (c, loss, penalised, first) => {
    const { x, labels } = rows(40)
    const model = fitLogistic(x, labels, 3, { c, iterations: 10_000, tolerance: 1e-7 })
    const own = logisticLoss(model, x, labels)
    expect(own).toBeCloseTo(loss, 4)
    let squares = 0
    for (let k = 0; k < 3; k++) for (let j = 0; j < 32; j++) squares += model.weights[k * 33 + j]! ** 2
    expect(own + squares / (2 * c * 40)).toBeCloseTo(penalised, 6)
    expect(probabilities(model, x)[0]).toBeCloseTo(first, 3)
  })

  it('is judged by rows that it has not seen: labels by chance are told by chance, whatever the fit', async () => {
    const { x, labels } = rows(120)
    const options = { cs: [0.001, 1], folds: 5, repeats: 2, seed: '0', standardize: true }
    const found = await crossValidate(x, labels, 3, options)
    expect(found).toHaveLength(2)
    for (const { accuracy, lower, upper, accuracies } of found) {
      expect(accuracies).toHaveLength(10)
      expect(lower).toBeLessThan(1 / 3)
      expect(upper).toBeGreaterThan(1 / 3)
      expect(accuracy).toBeGreaterThan(lower)
    }
    expect(await crossValidate(x, labels, 3, options)).toEqual(found)
    // A column that is the label itself is told.
    for (const [i, label] of labels.entries()) x.data[i * 32 + 7] = label === 2 ? 1000 : label
    const [, told] = await crossValidate(x, labels, 3, { ...options, cs: [1, 100], repeats: 1 })
    expect(told!.accuracy).toBeGreaterThan(0.6)
  })

  it('has the quantiles of Student for its intervals', () => {
    const quantiles = [4.302652729749462, 2.7764451051977934, 2.262157162798205, 2.144786687917804, 2.045229642132703]
    for (const [i, freedom] of [2, 4, 9, 14, 29].entries())
      expect(studentQuantile(freedom) / quantiles[i]! - 1).toBeCloseTo(0, i === 0 ? 1 : 3)
  })
})
