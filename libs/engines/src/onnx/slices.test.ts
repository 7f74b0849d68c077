import { describe, expect, it } from 'vitest'
import { sliceBatch } from './slices.js'

const sizes = (count: number, learning = 1000): number[] => sliceBatch(count, learning).map(({ start, end }) => end - start)

describe('sliceBatch', () => {
  it.each([
    [1, [1]],
    [4, [4]],
    [5, [3, 2]],
    [8, [4, 4]],
    [9, [3, 3, 3]],
    [10, [4, 3, 3]],
    [13, [4, 3, 3, 3]],
    [32, [4, 4, 4, 4, 4, 4, 4, 4]],
  ])('%i images', (count, expected) => {
    expect(sizes(count)).toEqual(expected)
  })

  it.each([
    [0, [4, 4]],
    [16_000_000, [4, 4]],
    [16_000_001, [8]],
    [140_000_000, [8]],
  ])('8 images, where %i values learn', (learning, expected) => {
    expect(sizes(8, learning)).toEqual(expected)
  })

  it('covers every image once, in order', () => {
    for (let count = 1; count <= 200; count++) {
      const slices = sliceBatch(count, 1000)
      expect(slices.map(({ start }) => start)).toEqual([0, ...slices.slice(0, -1).map(({ end }) => end)])
      expect(slices.at(-1)!.end).toBe(count)
      expect(Math.max(...sizes(count)) - Math.min(...sizes(count))).toBeLessThan(2)
    }
  })
})
