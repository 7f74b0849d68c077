import { expect, it } from 'vitest'
import { metricsLineOf } from './training-state.js'

it('reads an epoch that a server tells, with the figures of several targets', () => {
  const metrics = {
    loss: 1,
    learningRate: 0.1,
    gradientNorm: 3,
    best: 1,
    validationLoss: 2,
    'validation/species/images': 4,
    'validation/species/accuracy': 0.75,
    'validation/weight_kg/mae': 1.5,
  }
  const { validation, ...line } = metricsLineOf({ phase: 'epoch', epoch: 2, step: 6, metrics })
  expect(line).toEqual({ epoch: 2, step: 6, learningRate: 0.1, gradientNorm: 3, training: { loss: 1, accuracy: undefined }, best: true })
  expect(validation).toMatchObject({ loss: 2, heads: { species: { images: 4, accuracy: 0.75 }, weight_kg: { mae: 1.5 } } })
})
