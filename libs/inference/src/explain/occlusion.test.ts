import type { Tensor } from '@layermill/core'
import type { Extractor } from '@layermill/engines'
import { describe, expect, it } from 'vitest'
import { occlusionMap } from './occlusion.js'

/** A network whose one class is as likely as the pixel at row 2, column 9 of an image of 7 x 14 is bright. */
const extractor: Extractor = {
  layers: ['prob'],
  run: async ({ shape, data }: Tensor) => {
    const count = shape[0]!
    const bright = Float32Array.from({ length: count }, (_, i) => data[i * 3 * 98 + 2 * 14 + 9]!)
    return new Map([['prob', { shape: [count, 1], data: bright }]])
  },
  release: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}

describe('occlusion', () => {
  it('finds the only place that matters', async () => {
    const image = { shape: [3, 7, 14], data: new Float32Array(3 * 98).fill(0.5) }
    const { map, probabilities } = await occlusionMap(image, 0, { extractor, batchSize: 4 })
    expect([...probabilities]).toEqual([0.5])
    expect(map).toHaveLength(98)
    const largest = map.indexOf(Math.max(...map))
    // Windows of one row and two columns.
    expect(largest).toBe(2 * 14 + 8 + 1)
    expect(map.filter(value => value !== 0).length).toBeLessThanOrEqual(3)
  })
})
