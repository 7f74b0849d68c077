import { describe, expect, it } from 'vitest'
import { applyColors, type AugmentKey, drawAugmentation, flipImage } from './augment.js'

const key = (epoch: number, name = 'a.jpg'): AugmentKey => ({ seed: 1, key: name, epoch })

describe('drawAugmentation', () => {
  it('depends on seed, key and epoch alone', () => {
    const options = { flip: true, crop: true, color: true }
    expect(drawAugmentation(options, 500, 375, key(3))).toEqual(drawAugmentation(options, 500, 375, key(3)))
    const others = [key(4), key(3, 'b.jpg'), { ...key(3), seed: 2 }]
    for (const other of others)
      expect(drawAugmentation(options, 500, 375, other).box).not.toEqual(drawAugmentation(options, 500, 375, key(3)).box)
  })

  it('draws each part by itself', () => {
    const all = drawAugmentation({ flip: true, crop: true, color: true }, 500, 375, key(1))
    expect(drawAugmentation({ crop: true }, 500, 375, key(1))).toEqual({ box: all.box, flip: false, colors: [] })
    expect(drawAugmentation({ color: true }, 500, 375, key(1)).colors).toEqual(all.colors)
  })

  it('does nothing without options', () => {
    expect(drawAugmentation({}, 500, 375, key(0))).toEqual({ box: undefined, flip: false, colors: [] })
  })

  it('flips half of the pictures, or the share asked for', () => {
    const flips = (flip: boolean | number): number =>
      Array.from({ length: 1000 }, (_, epoch) => drawAugmentation({ flip }, 9, 9, key(epoch)).flip).filter(Boolean).length
    expect(Math.abs(flips(true) - 500)).toBeLessThan(60)
    expect(flips(0)).toBe(0)
    expect(flips(1)).toBe(1000)
  })

  it.each([
    [500, 375],
    [1, 1],
    [900, 7],
    [2, 300],
  ])('cuts within a picture of %ix%i, within scale and ratio', (width, height) => {
    for (let epoch = 0; epoch < 200; epoch++) {
      const box = drawAugmentation({ crop: { scale: [0.3, 0.6] } }, width, height, key(epoch)).box!
      expect(box.top >= 0 && box.left >= 0 && box.width >= 1 && box.height >= 1).toBe(true)
      expect(box.top + box.height <= height && box.left + box.width <= width).toBe(true)
      if (width !== 500) continue
      const share = (box.width * box.height) / (width * height)
      expect(share > 0.29 && share < 0.61).toBe(true)
      expect(box.width / box.height > 0.74 && box.width / box.height < 1.35).toBe(true)
    }
  })
})

describe('applyColors', () => {
  const image = { width: 2, height: 1, data: Uint8Array.from([100, 50, 200, 10, 20, 30]) }

  it('multiplies by the brightness', () => {
    expect([...applyColors(image, [{ kind: 'brightness', factor: 1.5 }]).data]).toEqual([150, 75, 255, 15, 30, 45])
  })

  it('moves towards grey of its own luma', () => {
    // 0.299 * 100 + 0.587 * 50 + 0.114 * 200 = 82.05; 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15
    expect([...applyColors(image, [{ kind: 'saturation', factor: 0 }]).data]).toEqual([82, 82, 82, 18, 18, 18])
  })

  it('moves towards the mean luma', () => {
    expect([...applyColors(image, [{ kind: 'contrast', factor: 0 }]).data]).toEqual([50, 50, 50, 50, 50, 50])
  })

  it('leaves the picture given alone', () => {
    const before = image.data.slice()
    applyColors(image, [
      { kind: 'saturation', factor: 1.2 },
      { kind: 'contrast', factor: 1.2 },
    ])
    expect(image.data).toEqual(before)
    expect(applyColors(image, [])).toBe(image)
  })
})

it('mirrors', () => {
  expect([...flipImage({ width: 2, height: 1, data: Uint8Array.from([1, 2, 3, 4, 5, 6]) }).data]).toEqual([4, 5, 6, 1, 2, 3])
})
