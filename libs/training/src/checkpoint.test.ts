import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { deserializeCheckpoint, serializeCheckpoint } from './checkpoint.js'

const tensors = new Map<string, Tensor>([
  ['fc/W', { shape: [2, 2], data: Float32Array.of(1, -0, Math.fround(0.1), 1e-45) }],
  ['empty', { shape: [0], data: new Float32Array(0) }],
  ['scalar ü', { shape: [], data: Float32Array.of(Infinity) }],
])
const state = { step: 3, loss: 0.1 + 0.2, best: NaN, low: -Infinity, zero: -0, name: 'ü', list: [1, null, { a: true }] }

function file(): Uint8Array {
  const { bytes, chunks } = serializeCheckpoint({ state, tensors })
  const whole = Buffer.concat(chunks)
  expect(whole.length).toBe(bytes)
  return whole
}

describe('checkpoints', () => {
  it('come back bit for bit, from aligned and unaligned memory', () => {
    const whole = file()
    const shifted = new Uint8Array(whole.length + 1)
    shifted.set(whole, 1)
    for (const bytes of [new Uint8Array(whole), shifted.subarray(1)]) {
      const copy = deserializeCheckpoint(bytes)
      expect(copy.state).toEqual(state)
      expect(Object.is(copy.state['zero'], -0)).toBe(true)
      expect([...copy.tensors.keys()]).toEqual([...tensors.keys()])
      for (const [name, { shape, data }] of tensors) {
        expect(copy.tensors.get(name)!.shape).toEqual(shape)
        expect(Buffer.from(copy.tensors.get(name)!.data.slice().buffer)).toEqual(Buffer.from(data.slice().buffer))
      }
    }
  })

  it('are refused when cut short or foreign', () => {
    const whole = file()
    for (const length of [0, 7, 20, whole.length - 1]) {
      expect(() => deserializeCheckpoint(whole.subarray(0, length))).toThrow(expect.objectContaining({ code: 'CHECKPOINT_CORRUPT' }))
    }
    const foreign = Buffer.from('\u0002\0\0\0\0\0\0\0{}')
    expect(() => deserializeCheckpoint(foreign)).toThrow(/no state/)
    expect(() => deserializeCheckpoint(Buffer.from('\u0002\0\0\0\0\0\0\0{]'))).toThrow(/no JSON/)
  })
})
