import { describe, expect, it } from 'vitest'
import { activationQuantiser, quantiseWeights } from './parameters.js'

describe('activationQuantiser', () => {
  it('represents 0 exactly and covers the range', () => {
    expect(activationQuantiser([0, 51])).toEqual({ scale: Math.fround(0.2), zeroPoint: 0 })
    expect(activationQuantiser([-25.5, 25.5])).toEqual({ scale: Math.fround(0.2), zeroPoint: 127 })
    expect(activationQuantiser([-51, 0])).toEqual({ scale: Math.fround(0.2), zeroPoint: 255 })
  })

  it('widens a range without 0, and takes an empty one', () => {
    expect(activationQuantiser([10, 51])).toEqual(activationQuantiser([0, 51]))
    expect(activationQuantiser([0, 0])).toEqual({ scale: 1, zeroPoint: 0 })
  })
})

describe('quantiseWeights', () => {
  it('scales each row by its own largest magnitude', () => {
    const { data, scales, bias } = quantiseWeights(
      { shape: [2, 2], data: Float32Array.of(1.27, -0.64, 0, 12.7) },
      Float32Array.of(1, -2),
      0.5,
    )
    expect([...data]).toEqual([127, -64, 0, 127])
    expect([...scales]).toEqual([Math.fround(0.01), Math.fround(0.1)])
    expect([...bias]).toEqual([200, -40])
  })

  it('keeps a bias within int32 where a row is next to nothing, and takes a row of zeros', () => {
    const { data, bias, scales } = quantiseWeights({ shape: [2, 1], data: Float32Array.of(1e-12, 0) }, Float32Array.of(100, 0), 1e-3)
    expect(data[0]).toBe(0)
    expect(bias[0]! * scales[0]! * 1e-3).toBeCloseTo(100, 4)
    expect([data[1], bias[1], scales[1]]).toEqual([0, 0, 1])
  })
})
