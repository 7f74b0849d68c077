import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { computeTaps, type Weighing } from './filters.js'
import { cropImage, type RgbImage } from './image.js'
import { Pacer } from './pacer.js'
import { Random } from '@layermill/core'
import { resizeImage, resizeRegion } from './resample.js'

function noise(width: number, height: number, seed: string): RgbImage {
  const random = new Random(seed)
  // Black and white beside greys: overshoot and clipping in both passes.
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    const value = random.below(512)
    return value > 255 ? (value & 1) * 255 : value
  })
  return { width, height, data }
}

/** One pass, written as the definition: no bands, no windows, no split coefficients. */
async function pass(image: RgbImage, size: number, filter: Weighing, axis: 'x' | 'y'): Promise<RgbImage> {
  const length = axis === 'x' ? image.width : image.height
  if (size === length) return image
  const taps = await computeTaps(length, size, filter, new Pacer())
  const width = axis === 'x' ? size : image.width
  const height = axis === 'x' ? image.height : size
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const output = axis === 'x' ? x : y
        let sum = 2 ** 21
        for (let i = 0; i < taps.counts[output]!; i++) {
          const input = taps.starts[output]! + i
          const pixel = axis === 'x' ? y * image.width + input : input * image.width + x
          sum += image.data[pixel * 3 + c]! * taps.coefficients[output * taps.width + i]!
        }
        data[(y * width + x) * 3 + c] = Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22)))
      }
  return { width, height, data }
}

describe('resizeImage', () => {
  const filters = ['bicubic', 'bilinear', 'lanczos', 'torchvision-bicubic'] as const

  it.each(filters)('computes both passes of %s exactly, at any size', async filter => {
    const random = new Random(`sizes ${filter}`)
    for (let i = 0; i < 25; i++) {
      const [width, height, toWidth, toHeight] = [1, 1, 1, 1].map(() => 1 + random.below(random.below(2) === 0 ? 12 : 90))
      const image = noise(width!, height!, `${filter} ${i}`)
      const expected = await pass(await pass(image, toWidth!, filter, 'x'), toHeight!, filter, 'y')
      expect(await resizeImage(image, toWidth!, toHeight!, filter), `${width}x${height} to ${toWidth}x${toHeight}`).toEqual(expected)
    }
  })

  it.each([
    ['many bands', 900, 1400, 40, 30],
    ['several windows', 30, 40, 1300, 2300],
    ['one axis kept, wide', 1200, 20, 1200, 35],
    ['one axis kept, tall', 20, 1200, 35, 1200],
  ])('computes pictures that need %s', async (_, width, height, toWidth, toHeight) => {
    const image = noise(width, height, 'large')
    const expected = await pass(await pass(image, toWidth, 'bicubic', 'x'), toHeight, 'bicubic', 'y')
    const actual = await resizeImage(image, toWidth, toHeight, 'bicubic')
    expect(Buffer.compare(actual.data, expected.data)).toBe(0)
  })

  it('gives several pictures in turns their own results', async () => {
    const images = [0, 1, 2, 3].map(i => noise(700 + i * 50, 900, `turn ${i}`))
    const alone = []
    for (const image of images) alone.push(await resizeImage(image, 61, 47, 'lanczos'))
    expect(await Promise.all(images.map(async image => await resizeImage(image, 61, 47, 'lanczos')))).toEqual(alone)
  })

  it.each(['bicubic', 'nearest'] as const)('lets other work go on during a large %s', async filter => {
    let turns = 0
    let done = false
    const counting = (async () => {
      while (!done) {
        await setImmediate()
        turns++
      }
    })()
    const image = { width: 4000, height: 3000, data: new Uint8Array(36_000_000) }
    await resizeImage(image, filter === 'nearest' ? 5000 : 3500, 3500, filter)
    done = true
    await counting
    expect(turns).toBeGreaterThan(3)
  })

  it.each(['bicubic', 'nearest'] as const)('copies at equal size with %s', async filter => {
    const image = noise(7, 5, 'equal')
    const copy = await resizeImage(image, 7, 5, filter)
    expect(copy).toEqual(image)
    expect(copy.data.buffer).not.toBe(image.data.buffer)
  })

  it('takes the pixel below the centre with nearest', async () => {
    const image = { width: 4, height: 1, data: Uint8Array.from([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]) }
    expect([...(await resizeImage(image, 2, 1, 'nearest')).data]).toEqual([1, 1, 1, 3, 3, 3])
    expect([...(await resizeImage(image, 8, 1, 'nearest')).data].filter((_, i) => i % 3 === 0)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
  })

  it('refuses sides that it has no tables for, and sizes that are none', async () => {
    const image = { width: 65_536, height: 1, data: new Uint8Array(65_536 * 3) }
    await expect(resizeImage(image, 10, 10)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' })
    await expect(resizeImage(noise(2, 2, ''), 0, 10)).rejects.toThrow(RangeError)
    await expect(resizeImage(noise(2, 2, ''), 1.5, 10)).rejects.toThrow(RangeError)
  })
})

describe('resizeRegion', () => {
  it.each(['bicubic', 'bilinear', 'lanczos', 'nearest'] as const)('is the same as cutting the whole with %s', async filter => {
    const random = new Random(`regions ${filter}`)
    for (let i = 0; i < 40; i++) {
      const image = noise(1 + random.below(60), 1 + random.below(60), `region ${i}`)
      // Now and then an axis that keeps its length.
      const width = random.below(4) === 0 ? image.width : 1 + random.below(90)
      const height = random.below(4) === 0 ? image.height : 1 + random.below(90)
      const region = { top: random.below(height), left: random.below(width), width: 0, height: 0 }
      region.width = 1 + random.below(width - region.left)
      region.height = 1 + random.below(height - region.top)
      expect(await resizeRegion(image, width, height, region, filter), `case ${i}`).toEqual(
        cropImage(await resizeImage(image, width, height, filter), region),
      )
    }
  })

  it('does not compute the rest: 3 gigapixels around the region', async () => {
    const image = noise(1, 60_000, 'strip')
    const region = { top: 7_680_000 - 112, left: 16, height: 224, width: 224 }
    expect((await resizeRegion(image, 256, 15_360_000, region, 'bilinear')).data.length).toBe(224 * 224 * 3)
  })

  it('refuses a region outside', async () => {
    await expect(resizeRegion(noise(9, 9, ''), 5, 5, { top: 3, left: 0, height: 3, width: 5 })).rejects.toThrow(RangeError)
  })
})
