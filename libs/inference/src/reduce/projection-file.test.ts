import { Random } from '@layermill/core'
import { sparseProjection } from '@layermill/analysis'
import { expect, it } from 'vitest'
import { ProjectionFile } from './projection-file.js'

const seed = String(Date.now())

it.each([
  ['all in a file', 0],
  ['some in memory', 60_000],
  ['all in memory', 1e9],
])('projects with the same bits, %s', (_, most) => {
  using file = new ProjectionFile(most)
  // Several blocks of columns, and a matrix with more than 255 entries in a column, whose counts take 32 bits.
  for (const [columns, components] of [
    [140_000, 8],
    [9, 2000],
  ] as const) {
    const random = new Random(`${seed}:${columns}`)
    const row = Float32Array.from({ length: columns }, () => random.next() - 0.5)
    const kept = sparseProjection(columns, components, seed, file.keep)
    const expected = sparseProjection(columns, components, seed).project(row)
    expect(expected.some(value => value !== 0)).toBe(true)
    expect([kept.project(row), kept.project(row)], `seed ${seed}`).toEqual([expected, expected])
  }
})
