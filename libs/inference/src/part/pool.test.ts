import { describe, expect, it } from 'vitest'
import { pooledShape, poolRow } from './pool.js'

describe('pooling of stored rows', () => {
  const row = Float32Array.of(1, 2, 3, 6, -5, -4, -3, -8)

  it('takes the mean or the maximum of each channel', () => {
    expect([...poolRow(row, [2, 2, 2], 'avg')]).toEqual([3, -5])
    expect([...poolRow(row, [2, 2, 2], 'max')]).toEqual([6, -3])
  })

  it('leaves vectors and unpooled maps alone', () => {
    expect(poolRow(row, [8], 'avg')).toBe(row)
    expect(poolRow(row, [2, 2, 2], 'none')).toBe(row)
    expect(pooledShape([8], 'max')).toEqual([8])
    expect(pooledShape([2, 2, 2], 'max')).toEqual([2])
    expect(pooledShape([2, 2, 2], 'none')).toEqual([2, 2, 2])
  })

  it('refuses a row of another size', () => {
    expect(() => poolRow(row, [3, 2, 2], 'avg')).toThrow(/8 numbers for shape 3x2x2/)
  })
})
