import { describe, expect, it } from 'vitest'
import { countHeads, headLabels, headScores, mixedTargets, type MixedTargetSpec, rowsOfHead } from './mixed.js'

const target: MixedTargetSpec = {
  kind: 'mixed',
  heads: [
    { name: 'kind', classes: ['cat', 'dog'], weight: 1, target: { kind: 'class', labelSmoothing: 0 } },
    { name: 'kg', classes: ['kg'], weight: 0.5, target: { kind: 'regression', loss: 'mse', beta: 1, mean: [4], deviation: [2] } },
  ],
}
const row = (key: string, values: object) => ({ key, label: JSON.stringify(values) })
const rows = [row('a', { kind: 'dog', kg: [6] }), row('b', { kg: [2] }), row('c', { kind: 'cat' }), row('d', { kg: [4] })]

describe('targets of several heads', () => {
  it('are numbers and factors that make the mean over those that have a value, whatever the micro-batch', () => {
    const counts = countHeads(rows, target.heads)
    expect(counts).toEqual({ rows: 4, having: [2, 3] })
    const kg = Math.fround(2 / 3)
    const expected = [
      [0, 1, 1, 2, 2, kg],
      [0, 0, -1, 0, 0, kg],
      [1, 0, 0, 2, 2, 0],
      [0, 0, 0, 0, 0, kg],
    ]
    expect(mixedTargets(rows, target, counts)).toEqual({ shape: [4, 6], data: Float32Array.from(expected.flat()) })
    const parts = [rows.slice(0, 1), rows.slice(1)].map(part => [...mixedTargets(part, target, counts).data])
    expect(parts.flat()).toEqual([...Float32Array.from(expected.flat())])
  })

  it('are read by head, and what is no such label is refused with its image', () => {
    expect(rowsOfHead(rows, 'kind')).toEqual([
      { key: 'a', label: 'dog' },
      { key: 'c', label: 'cat' },
    ])
    expect([...headLabels(row('x', { kind: '[odd]', kg: [1, 2] }))]).toEqual([
      ['kind', '[odd]'],
      ['kg', '[1,2]'],
    ])
    expect(() => headLabels({ key: 'x', label: 'cat' })).toThrow(/x is labelled cat, expected a JSON object/)
    const counts = countHeads(rows, target.heads)
    expect(() => mixedTargets([row('x', { kind: 'cow' })], target, counts)).toThrow(/x is labelled cow, which is no class of kind/)
    expect(() => mixedTargets([row('x', { kg: [1, 2] })], target, counts)).toThrow(/x is labelled \[1,2\], expected 1 number/)
  })

  it('have their part of the scores', () => {
    const scores = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }
    expect(headScores(scores, target.heads, 0)).toEqual({ shape: [2, 2], data: Float32Array.of(1, 2, 4, 5) })
    expect(headScores(scores, target.heads, 1)).toEqual({ shape: [2, 1], data: Float32Array.of(3, 6) })
  })
})
