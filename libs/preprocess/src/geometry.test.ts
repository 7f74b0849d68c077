import { describe, expect, it } from 'vitest'
import { fiveBoxes, planGeometry } from './geometry.js'

const crop = { kind: 'crop', shortSide: 256 } as const
const exact = { kind: 'exact' } as const

describe('planGeometry', () => {
  it.each([
    // width, height, then torchvision's Resize(256) as height x width, and the centre's offsets, as its own source computes them
    [500, 375, 256, 341, 16, 58],
    [375, 500, 341, 256, 58, 16],
    [256, 256, 256, 256, 16, 16],
    [427, 640, 383, 256, 80, 16],
    [10, 1000, 25_600, 256, 12_688, 16],
    [333, 500, 384, 256, 80, 16],
  ])('crops %ix%i as torchvision does', (width, height, resizedHeight, resizedWidth, top, left) => {
    expect(planGeometry(width, height, crop)).toEqual({
      resized: [resizedHeight, resizedWidth],
      crop: { top, left, height: 224, width: 224 },
    })
  })

  it.each([
    // timm's crop_pct and side, then Resize(floor(side / crop_pct)) and CenterCrop(side) of 500x375
    [0.95, 224, 235, 313, 6, 44],
    [0.875, 224, 256, 341, 16, 58],
    [0.95, 160, 168, 224, 4, 32],
    [0.9, 176, 195, 260, 10, 42],
  ])('cuts a share of %f at %i as timm does', (share, side, height, width, top, left) => {
    expect(planGeometry(500, 375, { kind: 'share', share }, { size: [side, side] })).toEqual({
      resized: [height, width],
      crop: { top, left, height: side, width: side },
    })
  })

  it('rounds a half to even', () => {
    // 341 - 224 is odd: 58.5 is 58; 343 - 224 = 119: 59.5 is 60.
    expect(planGeometry(343, 256, crop).crop.left).toBe(60)
  })

  it('scales the short side with the size', () => {
    expect(planGeometry(500, 400, crop, { size: [112, 112] })).toEqual({
      resized: [128, 160],
      crop: { top: 8, left: 24, height: 112, width: 112 },
    })
  })

  it.each([
    [500, 375],
    [375, 500],
    [100, 1000],
    [1000, 100],
    [3, 7],
  ])('covers a size that is not square with a picture of %ix%i', (width, height) => {
    const { resized, crop: box } = planGeometry(width, height, crop, { size: [160, 320] })
    expect(box.top).toBeGreaterThanOrEqual(0)
    expect(box.left).toBeGreaterThanOrEqual(0)
    expect(box.top + box.height).toBeLessThanOrEqual(resized[0])
    expect(box.left + box.width).toBeLessThanOrEqual(resized[1])
    expect(Math.min(resized[0] - Math.round((160 * 256) / 224), resized[1] - Math.round((320 * 256) / 224))).toBe(0)
  })

  it('resizes exactly, whole or through 256', () => {
    expect(planGeometry(500, 375, exact)).toEqual({ resized: [224, 224], crop: { top: 0, left: 0, height: 224, width: 224 } })
    expect(planGeometry(500, 375, exact, { centerCrop: true })).toEqual({
      resized: [256, 256],
      crop: { top: 16, left: 16, height: 224, width: 224 },
    })
    expect(planGeometry(500, 375, exact, { size: [320, 256] }).resized).toEqual([320, 256])
  })

  it.each([exact, crop])('keeps the size: $kind', resize => {
    expect(planGeometry(500, 375, resize, { size: 'keep' })).toEqual({
      resized: [375, 500],
      crop: { top: 0, left: 0, height: 375, width: 500 },
    })
  })
})

it('cuts corners, then the centre', () => {
  expect(fiveBoxes([256, 300], [224, 224]).map(({ top, left }) => [top, left])).toEqual([
    [0, 0],
    [0, 76],
    [32, 0],
    [32, 76],
    [16, 38],
  ])
})
