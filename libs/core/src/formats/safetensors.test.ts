import { expect, it } from 'vitest'
import { safetensorsHeader, safetensorsHeaderBytes, safetensorsText, safetensorsTextBytes, writeSafetensorsHeader } from './safetensors.js'

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
