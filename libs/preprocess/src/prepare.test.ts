import type { Preparation } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { drawAugmentation, flipImage } from './augment.js'
import { cropImage, type RgbImage } from './image.js'
import { prepareImage, tenCrop } from './prepare.js'
import { Random } from '@layermill/core'
import { resizeImage } from './resample.js'

const caffe: Preparation = {
  channels: 'bgr',
  divisor: 1,
  mean: [103.939, 116.779, 123.68],
  std: [1, 1, 1],
  resize: { kind: 'exact' },
  resample: 'bicubic',
}
const torchvision: Preparation = {
  channels: 'rgb',
  divisor: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: { kind: 'crop', shortSide: 256 },
  resample: 'bilinear',
}

function picture(width: number, height: number): RgbImage {
  const random = new Random(`${width}x${height}`)
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random.below(256)) }
}

/** The tensor by its definition. */
function expectedTensor(image: RgbImage, preparation: Preparation): Float32Array {
  const plane = image.width * image.height
  return Float32Array.from({ length: 3 * plane }, (_, i) => {
    const channel = Math.floor(i / plane)
    const stored = preparation.channels === 'rgb' ? channel : 2 - channel
    const value = Math.fround(image.data[(i % plane) * 3 + stored]! / preparation.divisor)
    return Math.fround(value - Math.fround(preparation.mean[channel]!)) / Math.fround(preparation.std[channel]!)
  })
}

const bytesOf = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

/** Every value the same. Not toEqual, which takes seconds for 150,000 values. */
function expectSame(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length)
  expect(actual.findIndex((value, i) => value !== expected[i])).toBe(-1)
}

describe('prepareImage', () => {
  const image = picture(60, 45)

  it('prepares as Chainer does: BGR less the mean', async () => {
    const prepared = await prepareImage(image, caffe)
    expect(prepared).toMatchObject({ width: 60, height: 45, inputHeight: 224, inputWidth: 224 })
    expectSame(prepared.tensor, expectedTensor(await resizeImage(image, 224, 224, 'bicubic'), caffe))
  })

  it('prepares as torchvision does: short side 256, centre, mean and deviation', async () => {
    const prepared = await prepareImage(image, torchvision)
    const resized = await resizeImage(image, 341, 256, 'bilinear')
    expectSame(prepared.tensor, expectedTensor(cropImage(resized, { top: 16, left: 58, height: 224, width: 224 }), torchvision))
  })

  it('keeps the size, takes other sizes and filters', async () => {
    expect(await prepareImage(image, torchvision, { size: 'keep' })).toMatchObject({
      tensor: expectedTensor(image, torchvision),
      inputHeight: 45,
      inputWidth: 60,
    })
    expect(await prepareImage(image, caffe, { size: [20, 30], resample: 'nearest' })).toMatchObject({
      tensor: expectedTensor(await resizeImage(image, 30, 20, 'nearest'), caffe),
      inputHeight: 20,
      inputWidth: 30,
    })
  })

  it('cuts the centre out of 256 when asked', async () => {
    const resized = await resizeImage(image, 256, 256, 'bicubic')
    const { tensor } = await prepareImage(image, caffe, { centerCrop: true })
    expectSame(tensor, expectedTensor(cropImage(resized, { top: 16, left: 16, height: 224, width: 224 }), caffe))
  })

  it('writes into a batch, and only into its place', async () => {
    const data = new Float32Array(3 * 3 * 16 * 16).fill(7)
    const length = 3 * 16 * 16
    const { tensor } = await prepareImage(image, caffe, { size: [16, 16], into: { data, offset: length } })
    expect(tensor.buffer).toBe(data.buffer)
    expect(data.subarray(length, 2 * length)).toEqual((await prepareImage(image, caffe, { size: [16, 16] })).tensor)
    expect(data.subarray(0, length).every(value => value === 7) && data.subarray(2 * length).every(value => value === 7)).toBe(true)
    await expect(prepareImage(image, caffe, { size: [16, 16], into: { data, offset: 2 * length + 1 } })).rejects.toMatchObject({
      code: 'INPUT_SIZE',
    })
  })

  it('augments: crop, size, flip', async () => {
    const augment = { seed: 5, key: 'x', epoch: 2, options: { crop: true, flip: 1 } }
    const drawn = drawAugmentation(augment.options, 60, 45, augment)
    const expected = flipImage(await resizeImage(cropImage(image, drawn.box!), 224, 224, 'bilinear'))
    expectSame((await prepareImage(image, torchvision, { augment })).tensor, expectedTensor(expected, torchvision))
  })

  it('augments colours of the part that is used', async () => {
    const augment = { seed: 5, key: 'x', epoch: 2, options: { color: { saturation: 0.5 } } }
    const { tensor } = await prepareImage(image, torchvision, { augment })
    expect(bytesOf(tensor).equals(bytesOf((await prepareImage(image, torchvision)).tensor))).toBe(false)
    expectSame(tensor, (await prepareImage(image, torchvision, { augment })).tensor)
  })

  it('refuses a picture whose data does not fit its size', async () => {
    await expect(prepareImage({ ...image, width: 61 }, caffe)).rejects.toThrow('61x45')
  })
})

describe('tenCrop', () => {
  it('gives corners, centre and their mirrors', async () => {
    const image = picture(60, 45)
    const { tensor, inputHeight, inputWidth } = await tenCrop(image, caffe)
    expect([inputHeight, inputWidth, tensor.length]).toEqual([224, 224, 10 * 3 * 224 * 224])
    const resized = await resizeImage(image, 256, 256, 'bicubic')
    const starts = [
      [0, 0],
      [0, 32],
      [32, 0],
      [32, 32],
      [16, 16],
    ] as const
    const crops = starts.map(([top, left]) => cropImage(resized, { top, left, height: 224, width: 224 }))
    const length = 3 * 224 * 224
    for (const [i, crop] of [...crops, ...crops.map(flipImage)].entries()) {
      expectSame(tensor.subarray(i * length, (i + 1) * length), expectedTensor(crop, caffe))
    }
  })

  it('keeps the aspect where the preparation does', async () => {
    const image = picture(60, 45)
    const { tensor } = await tenCrop(image, torchvision, { size: [112, 112] })
    const resized = await resizeImage(image, 170, 128, 'bilinear')
    const last = cropImage(resized, { top: 16, left: 58, height: 112, width: 112 })
    const length = 3 * 112 * 112
    expectSame(tensor.subarray(3 * length, 4 * length), expectedTensor(last, torchvision))
  })

  it('cuts a picture of an extreme aspect, which is never resized as a whole', async () => {
    const image = picture(1, 400)
    const { tensor } = await tenCrop(image, torchvision)
    const length = 3 * 224 * 224
    expectSame(tensor.subarray(4 * length, 5 * length), (await prepareImage(image, torchvision)).tensor)
  })
})
