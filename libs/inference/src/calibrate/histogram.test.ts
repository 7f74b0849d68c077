import { describe, expect, it } from 'vitest'
import { Histogram } from './histogram.js'

/** Numbers of many magnitudes, most of them small: the later ones make the bins double again and again. */
function values(): Float32Array[] {
  let state = 12345
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  return Array.from({ length: 12 }, (_, i) => Float32Array.from({ length: 2000 }, () => next() * 3 ** (i % 6)))
}

function rangesOf(pieces: readonly Float32Array[]) {
  const histogram = new Histogram()
  for (const piece of pieces) histogram.add(piece)
  return { all: histogram.range('min-max'), most: histogram.range('percentile') }
}

describe('Histogram', () => {
  it('gives the same ranges whatever the order', () => {
    const pieces = values()
    const expected = rangesOf(pieces)
    expect(rangesOf(pieces.toReversed())).toEqual(expected)
    expect(rangesOf([...pieces.slice(5), ...pieces.slice(0, 5)])).toEqual(expected)
    const flat = pieces.flatMap(piece => [...piece])
    expect(expected.all).toEqual([Math.min(...flat), Math.max(...flat)])
  })

  it('leaves out what lies far from all others, to within a bin', () => {
    const { all, most } = rangesOf([Float32Array.from({ length: 100_000 }, (_, i) => i / 100_000), Float32Array.of(1000, -500)])
    expect(all).toEqual([-500, 1000])
    expect(most[0]).toBeLessThanOrEqual(0)
    expect(most[0]).toBeGreaterThanOrEqual(-1)
    expect(most[1]).toBeGreaterThan(0.99)
    expect(most[1]).toBeLessThan(2)
  })

  it('has a range of nothing but zeros, of nothing, and of numbers besides what is none', () => {
    expect(rangesOf([new Float32Array(10)])).toEqual({ all: [0, 0], most: [0, 0] })
    expect(rangesOf([])).toEqual({ all: [0, 0], most: [0, 0] })
    expect(rangesOf([Float32Array.of(NaN, Infinity, 2, -Infinity, -1)]).all).toEqual([-1, 2])
  })
})
