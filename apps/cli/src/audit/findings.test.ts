import { expect, it } from 'vitest'
import { cannotBeToldApart, confusablePairs } from './findings.js'

it('says which classes cannot be told apart, by how well their images are ordered', () => {
  // Of three classes c is always known; a and b get the same probabilities whatever the label is.
  const labels = Array.from({ length: 60 }, (_, i) => i % 3)
  const found = Float64Array.from(
    labels.flatMap((label, i) => (label === 2 ? [0.05, 0.05, 0.9] : i % 2 === 0 ? [0.6, 0.3, 0.1] : [0.3, 0.6, 0.1])),
  )
  const suggested = labels.map((label, i) => (label === 2 ? 2 : i % 2))
  const [pair, ...more] = confusablePairs(found, labels, suggested, ['a', 'b', 'c'])
  expect(more).toEqual([])
  expect(pair).toMatchObject({ classes: ['a', 'b'], images: 20, share: 0.5 })
  expect(pair!.auc).toBeCloseTo(0.5, 12)
  expect(cannotBeToldApart(pair!)).toBe(true)
  // One image of twenty that is taken for the other: 19 of 20 times 1, and a half for equal odds.
  const known = Float64Array.from(
    labels.flatMap((label, i) => (label === 2 ? [0, 0, 1] : label === 1 || i === 0 ? [0.2, 0.8, 0] : [0.8, 0.2, 0])),
  )
  const [rare] = confusablePairs(
    known,
    labels,
    labels.map((label, i) => (i === 0 ? 1 : label)),
    ['a', 'b', 'c'],
  )
  expect(rare!.auc).toBeCloseTo(0.975, 12)
  expect(cannotBeToldApart(rare!)).toBe(false)
})
