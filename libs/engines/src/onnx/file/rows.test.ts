import { fileURLToPath } from 'node:url'
import { OnnxModel } from '@layermill/onnx'
import { describe, expect, it } from 'vitest'
import { equalRows, repeatedImage, rowOfCopies, toleranceOf } from './rows.js'

it('allows a batch of float16 what rounding to float16 gives, and no other', async () => {
  const model = await OnnxModel.open(fileURLToPath(new URL('testing/half.onnx', import.meta.url)))
  const [half, single] = [toleranceOf(model, ['half']), toleranceOf(model, ['single'])]
  expect([half, single]).toEqual([2 ** -8, 1e-5])
  const row = (...data: number[]) => ({ shape: [1, data.length], data: Float32Array.from(data) })
  // One step of float16 at 1; a hundredth is more than rounding.
  expect(equalRows(row(1, 0.5), row(1 + 2 ** -10, 0.5), half)).toBe(true)
  expect(equalRows(row(1, 0.5), row(1 + 2 ** -10, 0.5), single)).toBe(false)
  expect(equalRows(row(1, 0.5), row(1.01, 0.5), half)).toBe(false)
})

it('takes the row of copies from where they are the same, and refuses a value that has none', () => {
  const value = { shape: [2, 3], data: Float32Array.from([1, 1, 1, 4, 4, 4]) }
  expect(rowOfCopies(value, 3, 'v', { axis: 1, outside: 1 }, 1e-5)).toEqual({ shape: [1, 2], data: Float32Array.from([1, 4]) })
  // Shapes that say the first dimension, numbers that say the second.
  const square = { shape: [2, 2], data: Float32Array.from([1, 1, 4, 4]) }
  expect(rowOfCopies(square, 2, 'v', { axis: 0, outside: 1 }, 1e-5)).toEqual({ shape: [1, 2], data: Float32Array.from([1, 4]) })
  const joined = { shape: [4, 1], data: Float32Array.from([1, 1, 4, 4]) }
  expect(rowOfCopies(joined, 2, 'v', { axis: 0, outside: 2 }, 1e-5)).toEqual({ shape: [1, 2, 1], data: Float32Array.from([1, 4]) })
  const apart = { shape: [2, 2], data: Float32Array.from([1, 2, 3, 4]) }
  expect(() => rowOfCopies(apart, 2, 'v', undefined, 1e-5)).toThrow(/no part of it is the same for each/)
})

describe('an image for a fixed batch', () => {
  it('is repeated as often as the file computes at a time', () => {
    const image = { shape: [1, 3, 1, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }
    expect(repeatedImage(image, 1)).toEqual(image)
    expect(repeatedImage(image, 2)).toEqual({ shape: [2, 3, 1, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6) })
  })

  it('is refused where the batch would be over 1 GiB, before any memory is taken', () => {
    const image = { shape: [1, 3, 224, 224], data: new Float32Array(3 * 224 * 224) }
    expect(() => repeatedImage(image, 1784)).toThrow(
      expect.objectContaining({ code: 'ONNX_UNSUPPORTED', message: expect.stringContaining('1784 images of 3x224x224') as string }),
    )
  })
})
