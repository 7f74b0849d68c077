import { fileURLToPath } from 'node:url'
import { readTensors } from '@layermill/weights'
import { expect, it } from 'vitest'

it('reads halves from HDF5 as h5py writes them (halves.py), a scalar and numbers that are none too', async () => {
  const { tensors } = await readTensors(fileURLToPath(new URL('./files/halves.h5', import.meta.url)))
  const kernel = tensors.get('fc2/kernel')!
  expect(kernel.shape).toEqual([10, 8])
  expect([...kernel.data]).toEqual(Array.from({ length: 80 }, (_, i) => i / 64 - 0.5))
  expect([...tensors.get('fc2/bias')!.data]).toEqual([1, -2, 0.333251953125, 2 ** -24, 65504, Infinity, -0, 0.5])
  expect(tensors.get('scale/gamma')).toEqual({ shape: [], data: Float32Array.of(0.25) })
  expect([...tensors.get('wide/gamma')!.data]).toEqual([0, 1, 2])
})
