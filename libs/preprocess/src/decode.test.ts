import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage } from './decode.js'
import type { RgbImage } from './image.js'
import { Random } from '@layermill/core'

function picture(width: number, height: number): RgbImage {
  const random = new Random(`${width}x${height}`)
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random.below(256)) }
}

const raw = ({ data, width, height }: RgbImage): Sharp => sharp(data, { raw: { width, height, channels: 3 } })

/** An uncompressed bitmap with a header of 40 bytes. */
function bitmap(bits: number, width: number, height: number, pixels: Uint8Array, palette = new Uint8Array(), compression = 0): Buffer {
  const header = Buffer.alloc(54)
  header.write('BM', 0, 'latin1')
  header.writeUInt32LE(54 + palette.length + pixels.length, 2)
  header.writeUInt32LE(54 + palette.length, 10)
  header.writeUInt32LE(40, 14)
  header.writeInt32LE(width, 18)
  header.writeInt32LE(height, 22)
  header.writeUInt16LE(1, 26)
  header.writeUInt16LE(bits, 28)
  header.writeUInt32LE(compression, 30)
  header.writeUInt32LE(palette.length / 4, 46)
  return Buffer.concat([header, palette, pixels])
}

describe('decodeImage', () => {
  const image = picture(37, 23)

  it.each(['png', 'webp', 'tiff', 'gif', 'avif'] as const)('reads %s', async format => {
    const few = { ...image, data: image.data.map(value => value & 0xc0) }
    const encoders = {
      png: () => raw(few).png(),
      webp: () => raw(few).webp({ lossless: true }),
      tiff: () => raw(few).tiff({ compression: 'deflate' }),
      gif: () => raw(few).gif({ dither: 0, colours: 256 }),
      avif: () => raw(few).avif({ lossless: true, chromaSubsampling: '4:4:4' }),
    }
    const decoded = await decodeImage(await encoders[format]().toBuffer())
    expect([decoded.width, decoded.height]).toEqual([37, 23])
    const worst = few.data.reduce((most, value, i) => Math.max(most, Math.abs(value - decoded.data[i]!)), 0)
    // AVIF stores YCbCr of 8 bits, GIF has a palette of its encoder's choice.
    expect(worst).toBeLessThanOrEqual({ png: 0, webp: 0, tiff: 0, gif: 8, avif: 4 }[format])
  })

  it('drops alpha without blending', async () => {
    const data = Uint8Array.from([10, 20, 30, 0, 40, 50, 60, 128])
    const png = await sharp(data, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer()
    expect([...(await decodeImage(png)).data]).toEqual([10, 20, 30, 40, 50, 60])
  })

  it('takes the high byte of 16 bits, of grey too', async () => {
    const values = Uint16Array.from([0, 255, 256, 32_767, 65_280, 65_535])
    const color = await sharp(values, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer()
    expect([...(await decodeImage(color)).data]).toEqual([...values].map(value => value >> 8))
    const grey = await sharp(values, { raw: { width: 6, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer()
    expect([...(await decodeImage(grey)).data]).toEqual([...values].flatMap(value => [value >> 8, value >> 8, value >> 8]))
  })

  it('reads a view into a larger buffer', async () => {
    const png = await raw(image).png().toBuffer()
    const around = new Uint8Array(png.length + 20)
    around.set(png, 9)
    expect(Buffer.from((await decodeImage(around.subarray(9, 9 + png.length))).data).equals(Buffer.from(image.data))).toBe(true)
  })

  it.each(['png', 'jpeg', 'webp', 'tiff', 'gif', 'avif'] as const)('reports a %s that ends early', async format => {
    const bytes = await raw(picture(64, 64)).toFormat(format).toBuffer()
    for (const share of [0.3, 0.6, 0.9]) {
      await expect(decodeImage(bytes.subarray(0, Math.floor(bytes.length * share)))).rejects.toMatchObject({
        code: 'IMAGE_TRUNCATED',
        message: format === 'gif' ? (expect.stringMatching(/^the GIF file ends within/) as string) : `the ${format} file ends early`,
      })
    }
  })

  it('reports damaged data', async () => {
    const png = await raw(picture(64, 64)).png().toBuffer()
    png.fill(0x55, 60, png.length - 30)
    await expect(decodeImage(png)).rejects.toMatchObject({ code: 'IMAGE_CORRUPT' })
  })

  it('refuses more pixels than allowed by the header alone', async () => {
    const png = await raw(image).png().toBuffer()
    await expect(decodeImage(png, { maxPixels: 37 * 23 - 1 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' })
    expect((await decodeImage(png, { maxPixels: 37 * 23 })).width).toBe(37)
  })

  it('refuses bombs of every format by default', async () => {
    // A header that announces 100,000 x 50,000 pixels over next to nothing.
    const png = await raw(image).png().toBuffer()
    png.writeUInt32BE(100_000, 16)
    png.writeUInt32BE(50_000, 20)
    const { crc32 } = await import('node:zlib')
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29)
    const gif = await raw(image).gif().toBuffer()
    gif.writeUInt16LE(65_535, 6)
    gif.writeUInt16LE(65_535, 8)
    for (const bomb of [png, gif, bitmap(24, 100_000, 50_000, new Uint8Array(64))]) {
      await expect(decodeImage(bomb)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' })
    }
  })
})

describe('bitmaps', () => {
  it('reads 24 bits from the bottom, rows padded to four bytes', async () => {
    const pixels = Uint8Array.from([3, 2, 1, 0, 6, 5, 4, 0])
    expect(await decodeImage(bitmap(24, 1, 2, pixels))).toEqual({ width: 1, height: 2, data: Uint8Array.from([4, 5, 6, 1, 2, 3]) })
    expect(await decodeImage(bitmap(24, 1, -2, pixels))).toEqual({ width: 1, height: 2, data: Uint8Array.from([1, 2, 3, 4, 5, 6]) })
  })

  it('reads palettes of 4 bits; colours that are missing are black', async () => {
    const decoded = await decodeImage(bitmap(4, 3, 1, Uint8Array.from([0x10, 0x70, 0, 0]), Uint8Array.from([1, 2, 3, 0, 4, 5, 6, 0])))
    expect([...decoded.data]).toEqual([6, 5, 4, 3, 2, 1, 0, 0, 0])
  })

  it('reads 16 bits as five each', async () => {
    const decoded = await decodeImage(bitmap(16, 1, 1, Uint8Array.from([0x1f, 0x7c, 0, 0])))
    expect([...decoded.data]).toEqual([255, 0, 255])
  })

  it.each([
    ['IMAGE_TRUNCATED', bitmap(24, 2, 2, new Uint8Array(15))],
    ['IMAGE_TRUNCATED', bitmap(24, 2, 2, new Uint8Array(16)).subarray(0, 20)],
    ['IMAGE_TRUNCATED', bitmap(24, 2, 2, new Uint8Array(16)).subarray(0, 40)],
    ['IMAGE_UNSUPPORTED', bitmap(24, 2, 2, new Uint8Array(16), undefined, 4)],
    ['IMAGE_TRUNCATED', bitmap(8, 2, 2, Uint8Array.of(2, 1, 0, 0), new Uint8Array(8), 1)],
    ['IMAGE_CORRUPT', bitmap(8, 2, 2, new Uint8Array(16), new Uint8Array(8), 2)],
    ['IMAGE_CORRUPT', bitmap(24, 0, 2, new Uint8Array(16))],
    ['IMAGE_CORRUPT', bitmap(7, 2, 2, new Uint8Array(16))],
    ['IMAGE_CORRUPT', bitmap(24, 2, 2, new Uint8Array(16), undefined, 3)],
  ])('reports %s', async (code, bytes) => {
    await expect(decodeImage(bytes)).rejects.toMatchObject({ code })
  })
})
