import { expect, it } from 'vitest'
import { answerOf, topClasses } from './predict.js'

it('sorts by probability, then by class', () => {
  const top = topClasses(Float32Array.of(0.25, 0.5, 0.25, 0), ['a', 'b', 'c', 'd'], 3)
  expect(top.map(({ label }) => label)).toEqual(['b', 'a', 'c'])
  expect(top[0]).toEqual({ index: 1, label: 'b', probability: 0.5 })
})

it('gives labels above their own thresholds, also beyond the likeliest that are shown, and numbers by name', () => {
  const labels = ['a', 'b', 'c']
  const target = { kind: 'multi-label', thresholds: [0.2, 0.5, 0.9] } as const
  const answer = answerOf(Float32Array.of(0.25, 0.75, 0.8), { labels, target, top: 1 })
  expect(answer.classes.map(({ label }) => label)).toEqual(['c'])
  expect(answer.labels).toEqual(['b', 'a'])
  expect(answerOf(Float32Array.of(1.5, -2), { labels, target: { kind: 'regression' }, top: 1 })).toEqual({
    classes: [],
    values: [
      { label: 'a', value: 1.5 },
      { label: 'b', value: -2 },
    ],
  })
})

it('gives the answers of several targets by name, out of values that lie end to end', () => {
  const heads = [
    { name: 'kg', classes: ['kg'], target: { kind: 'regression' } },
    { name: 'kind', classes: ['cat', 'dog'], target: undefined },
    { name: 'tags', classes: ['old', 'wild'], target: { kind: 'multi-label', thresholds: [0.5, 0.1] } },
  ] as const
  const answer = answerOf(Float32Array.of(3.5, 0.25, 0.75, 0.5, 0.125), { labels: [], target: { kind: 'mixed', heads }, top: 1 })
  expect(answer).toEqual({
    classes: [],
    heads: {
      kg: { classes: [], values: [{ label: 'kg', value: 3.5 }] },
      kind: { classes: [{ index: 1, label: 'dog', probability: 0.75 }] },
      tags: { classes: [{ index: 0, label: 'old', probability: 0.5 }], labels: ['wild'] },
    },
  })
})
