import type { Tensor } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import type { LossKind } from '../trainer.js'
import { countCorrect, lossSlopes, lossSum } from './trainer-loss.js'

const matrix = (rows: readonly (readonly number[])[]): Tensor => ({
  shape: [rows.length, rows[0]!.length],
  data: Float32Array.from(rows.flat()),
})

const kind: LossKind = {
  kind: 'slices',
  slices: [
    { outputs: 2, loss: { kind: 'softmax' } },
    { outputs: 2, loss: { kind: 'sigmoid', positiveWeights: [1, 3] } },
    { outputs: 1, loss: { kind: 'squared' } },
    { outputs: 1, loss: { kind: 'smooth-l1', beta: 0.5 } },
  ],
}
const scores = matrix([
  [0, 0, 0, 0, 3, 1],
  [1, -2, 0.5, -1.5, 0.25, -0.125],
])
// Targets, then the factor of each image's loss in every part.
const targets = matrix([
  [1, 0, 1, 1, 1, 0, 2, 2, 0.5, 0.5, 1, 4],
  [0, 1, 0, 1, -1, 0, 1, 1, 3, 3, 0, 0.5],
])

describe('a loss in slices', () => {
  it('is the sum of its parts, each times the factor of the image', () => {
    const first = 2 * Math.log(2) + 0.5 * ((Math.log(2) + 3 * Math.log(2)) / 2) + 4 + 4 * (1 - 0.25)
    const [a, b] = [Math.log(1 + Math.exp(3)), (Math.log1p(Math.exp(0.5)) + 3 * Math.log1p(Math.exp(1.5))) / 2]
    // The squared error of the second image counts for nothing.
    const second = a + 3 * b + 0.5 * 0.125 ** 2
    expect(lossSum(kind, scores, targets)).toBeCloseTo(first + second, 12)
    expect(countCorrect(kind, scores, new Int32Array(2), targets)).toBe(0)
  })

  it('has the slopes of its finite differences', () => {
    const slopes = lossSlopes(kind, scores, targets)
    const step = 2 ** -7
    for (let i = 0; i < scores.data.length; i++) {
      const at = (by: number): number =>
        lossSum(kind, { shape: scores.shape, data: scores.data.map((score, k) => (k === i ? score + by : score)) }, targets)
      expect(slopes.data[i], `score ${i}`).toBeCloseTo((at(step) - at(-step)) / (2 * step), 3)
    }
  })
})
