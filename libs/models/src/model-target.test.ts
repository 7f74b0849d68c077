import { expect, it } from 'vitest'
import { modelTarget } from './model-target.js'

it('reads the targets of a model, each with its part of the thresholds', () => {
  const slices = [
    { name: 'tags', target: 'multi-label', classes: ['a', 'b'] },
    { name: 'kg', target: 'regression', classes: ['kg'] },
    { name: 'kind', target: 'class', classes: ['x', 'y'] },
  ]
  const thresholds = [0.2, 0.7, 0.5, 0.5, 0.5]
  expect(modelTarget({ target: 'mixed', slices, thresholds }, 5)).toEqual({
    kind: 'mixed',
    heads: [
      { name: 'tags', classes: ['a', 'b'], target: { kind: 'multi-label', thresholds: [0.2, 0.7] } },
      { name: 'kg', classes: ['kg'], target: { kind: 'regression' } },
      { name: 'kind', classes: ['x', 'y'], target: undefined },
    ],
  })
  expect(modelTarget({ target: 'multi-label', thresholds: [0.2, 7] }, 2)).toEqual({ kind: 'multi-label', thresholds: [0.5, 0.5] })
  // Facts that do not fit the scores are no target.
  expect(modelTarget({ target: 'mixed', slices }, 4)).toBeUndefined()
  expect(modelTarget({ target: 'mixed', slices: [{ name: 'x' }] }, 1)).toBeUndefined()
})
