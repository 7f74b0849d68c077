import { fileURLToPath } from 'node:url'
import { OnnxModel } from '@layermill/onnx'
import { expect, it } from 'vitest'
import { equalRows, toleranceOf } from './rows.js'

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
