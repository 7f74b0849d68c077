import { expect, it } from 'vitest'
import {
  readSafetensors,
  safetensorsHeader,
  safetensorsHeaderBytes,
  safetensorsText,
  safetensorsTextBytes,
  writeSafetensorsHeader,
} from './safetensors.js'

const items = [
  { name: 'b', dtype: 'F32', shape: [2, 3], bytes: 24 },
  { name: 'ä', dtype: 'I64', shape: [], bytes: 8 },
]

it('names tensors end to end, the metadata before them', () => {
  expect(safetensorsText(items)).toBe(
    '{"b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"ä":{"dtype":"I64","shape":[],"data_offsets":[24,32]}}',
  )
  expect(safetensorsText([], { format: 'pt' })).toBe('{"__metadata__":{"format":"pt"}}')
  expect(safetensorsText([])).toBe('{}')
})

it.each([8, 64])('pads to multiples of %i bytes, by the bytes of the text', alignment => {
  for (let letters = 0; letters < 130; letters++) {
    const text = JSON.stringify({ name: 'ä'.repeat(letters) })
    const header = safetensorsHeader(text, alignment)
    expect(header.length % alignment).toBe(0)
    expect(header.length - 8 - Buffer.byteLength(text)).toBeLessThan(alignment)
    expect(header).toHaveLength(safetensorsHeaderBytes(text, alignment))
    expect(safetensorsTextBytes(header)).toBe(header.length - 8)
    expect(header.toString('utf8', 8).trimEnd()).toBe(text)
  }
})

it('overwrites what was in the place of a header', () => {
  const target = Buffer.alloc(32, 'x')
  writeSafetensorsHeader(target, '{}')
  expect(target.toString('utf8', 8)).toBe(`{}${' '.repeat(22)}`)
  expect(safetensorsTextBytes(target)).toBe(24)
})

it('reads the length of bytes that lie anywhere', () => {
  const bytes = new Uint8Array([9, 9, 9, 2, 1, 0, 0, 0, 0, 0, 0, 9])
  expect(safetensorsTextBytes(bytes.subarray(3, 11))).toBe(258)
})

it('reads a file as a whole, and says of what is not one where it ends', () => {
  const header = safetensorsHeader(safetensorsText(items, { rule: 'x' }), 8)
  const file = Buffer.concat([header, Buffer.from(new Float32Array([1, 2, 3, 4, 5, 6]).buffer), Buffer.alloc(8, 7)])
  const { metadata, tensors } = readSafetensors(file)
  expect(metadata).toEqual({ rule: 'x' })
  expect(tensors.get('b')).toMatchObject({ dtype: 'F32', shape: [2, 3] })
  expect([...new Float32Array(tensors.get('b')!.data.buffer)]).toEqual([1, 2, 3, 4, 5, 6])
  expect([...tensors.get('ä')!.data]).toEqual(Array(8).fill(7))
  expect(() => readSafetensors(file.subarray(0, -1))).toThrow('ä is cut off')
  expect(() => readSafetensors(file.subarray(0, 20))).toThrow('it is cut off')
  expect(() => readSafetensors(Buffer.alloc(4))).toThrow('it is cut off')
})
