import { expect, it } from 'vitest'
import { epochState } from './training-report.js'

it('tells an epoch as numbers by name, those of several targets under theirs', () => {
  const heads = { species: { images: 4, loss: 0.5, accuracy: 0.75 }, weight_kg: { images: 5, loss: 1, mae: 1.5, r2: undefined } }
  const line = { epoch: 2, step: 6, learningRate: 0.1, gradientNorm: 3, training: { loss: 1 }, validation: { loss: 2, heads }, best: true }
  expect(epochState(line)).toEqual({
    phase: 'epoch',
    epoch: 2,
    step: 6,
    metrics: {
      learningRate: 0.1,
      gradientNorm: 3,
      best: 1,
      loss: 1,
      validationLoss: 2,
      'validation/species/images': 4,
      'validation/species/loss': 0.5,
      'validation/species/accuracy': 0.75,
      'validation/weight_kg/images': 5,
      'validation/weight_kg/loss': 1,
      'validation/weight_kg/mae': 1.5,
    },
  })
})
