import { expect, it } from 'vitest'
import { freeArrays } from './free.js'

it('empties arrays, gives their memory back, and leaves shared memory', async () => {
  const arrays = Array.from({ length: 4 }, () => new Float32Array(1 << 22))
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(7)
  const before = process.memoryUsage().arrayBuffers
  const [first] = arrays
  freeArrays([...arrays, first!.subarray(4), shared])
  freeArrays(arrays)
  expect(arrays.map(({ length }) => length)).toEqual([0, 0, 0, 0])
  await expect.poll(() => before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(4 * (1 << 24))
  expect([...shared]).toEqual([7, 7, 7, 7, 7, 7, 7, 7])
})
