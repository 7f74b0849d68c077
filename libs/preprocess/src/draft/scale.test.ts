import { expect, it } from 'vitest'
import { atScale, draftScale } from './scale.js'

it.each([
  [[3000, 4000], [224, 224], 4],
  [[3000, 4000], [187, 187], 8],
  [[375, 500], [224, 224], 1],
  [[896, 896], [224, 224], 2],
  [[895, 2000], [224, 224], 1],
  [[10, 10], [224, 224], 1],
] as const)('a picture of %j needed at %j is decoded at 1/%i', (picture, needed, scale) => {
  expect(draftScale(picture, needed)).toBe(scale)
})

it('rounds sides up', () => {
  expect([atScale(97, 8), atScale(96, 8), atScale(1, 2)]).toEqual([13, 12, 1])
})
