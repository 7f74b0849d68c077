import { Gate } from '@layermill/core'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage } from './decode.js'
import { decodeElsewhere } from './decode-elsewhere.js'
import { decodeHere } from './decode-here.js'
import { Pacer } from './pacer.js'
import { pictureSize } from './sniff-size.js'

const limits = { autoOrient: false, maxPixels: 1e8, timeoutMs: 60_000 }
const png = await sharp({
  create: { width: 300, height: 200, channels: 3, background: '#135', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
})
  .png()
  .toBuffer()

describe('a process that decodes', () => {
  it('gives the same pixels', async () => {
    const [there, here] = await Promise.all([decodeElsewhere(png, limits), decodeHere(png, limits)])
    expect([there.width, there.height]).toEqual([300, 200])
    expect(Buffer.from(there.data).equals(Buffer.from(here.data))).toBe(true)
  })

  it('hands on what is wrong with a picture', async () => {
    await expect(decodeElsewhere(png.subarray(0, 5000), limits)).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' })
    await expect(decodeElsewhere(Buffer.from('qoif'), limits)).rejects.toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      hint: expect.stringContaining('PNG') as string,
    })
  })

  it('is ended at the deadline', async () => {
    await expect(decodeElsewhere(png, { ...limits, timeoutMs: 1 })).rejects.toMatchObject({
      code: 'IMAGE_TIMEOUT',
      message: expect.stringContaining('0.001 s') as string,
    })
  })
})

describe('decodeImage', () => {
  it('has a deadline for every picture', async () => {
    const large = await sharp({ create: { width: 4000, height: 4000, channels: 3, background: '#135' } })
      .png({ compressionLevel: 1 })
      .toBuffer()
    await expect(decodeImage(large, { timeoutMs: 1 })).rejects.toMatchObject({ code: 'IMAGE_TIMEOUT' })
    expect((await decodeImage(large)).width).toBe(4000)
  })

  it.each(['png', 'jpeg', 'webp', 'tiff', 'gif', 'avif'] as const)('knows the size of %s by its header', async format => {
    const bytes = await sharp(png).toFormat(format).toBuffer()
    expect(pictureSize(bytes)).toMatchObject({ width: 300, height: 200 })
    await expect(decodeImage(bytes, { maxPixels: 59_999 })).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringContaining('300x200') as string,
    })
  })

  it('refuses sides that cannot be resized, by the header', async () => {
    const long = Buffer.from(png)
    long.writeUInt32BE(65_536, 16)
    long.writeUInt32BE(1, 20)
    await expect(decodeImage(long)).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringContaining('65536x1') as string,
    })
    await expect(decodeImage(Buffer.from('P5 1 70000 255\n'))).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' })
  })
})

it('a pacer ends what is late', async () => {
  const pacer = new Pacer(() => {
    throw new RangeError('late')
  })
  await expect(pacer.rest()).rejects.toThrow('late')
})

it('a gate lets so many in, the others in their order', async () => {
  const gate = new Gate(2)
  const order: number[] = []
  let under = 0
  await Promise.all(
    [0, 1, 2, 3, 4].map(i =>
      gate
        .run(async () => {
          order.push(i)
          expect(++under).toBeLessThanOrEqual(2)
          await Promise.resolve()
          under--
          if (i === 1) throw new RangeError('one fails')
        })
        .catch(() => undefined),
    ),
  )
  expect(order).toEqual([0, 1, 2, 3, 4])
})
