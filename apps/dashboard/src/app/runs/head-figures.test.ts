import { expect, it } from 'vitest'
import { headRows } from './head-figures.js'

it('reads the figures of several targets out of those of an epoch', () => {
  const metrics = {
    loss: 1,
    validationLoss: 2,
    'validation/species/images': 5,
    'validation/species/loss': 0.5,
    'validation/species/accuracy': 0.8,
    'validation/species/top5': 1,
    'validation/species/macroF1': 0.75,
    'validation/tags/images': 7,
    'validation/tags/loss': 0.25,
    'validation/tags/meanAveragePrecision': 0.9,
    'validation/tags/macroF1': 0.5,
    'validation/weight_kg/images': 6,
    'validation/weight_kg/loss': 0.125,
    'validation/weight_kg/mae': 1.5,
    'validation/weight_kg/r2': -0.25,
  }
  expect(headRows(metrics)).toEqual([
    { name: 'species', images: 5, loss: 0.5, figures: 'accuracy 80.0%, top 5 100.0%, F1 75.0%' },
    { name: 'tags', images: 7, loss: 0.25, figures: 'mAP 90.0%, F1 50.0%' },
    { name: 'weight_kg', images: 6, loss: 0.125, figures: 'MAE 1.500, R2 -0.250' },
  ])
  expect(headRows({ loss: 1, validationAccuracy: 0.5 })).toEqual([])
})
