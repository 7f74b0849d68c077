import { fromFloat16, toFloat16 } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import type { FeatureFormat } from '@layermill/contracts'
import { allocateNpy } from './npy.js'
import { createPartWriter, type FeatureFile } from './part-writer.js'
import { readFeatureRows } from './read.js'
import type { FeatureDtype, RangeSource } from './types.js'

describe('allocateNpy', () => {
  it('lays out one buffer that rows are views of', () => {
    const file = allocateNpy(4, [2, 3], 'float32')
    expect(file.row(1).buffer).toBe(file.buffer.buffer)
    file.row(0).set([1, 2, 3, 4, 5, 6])
    file.setRow(1, Float32Array.of(7, 8, 9, 10, 11, 12))
    const bytes = file.finish(2)
    expect(bytes.buffer).toBe(file.buffer.buffer)
    const text = Buffer.from(bytes).toString('latin1')
    expect(text.slice(0, 8)).toBe('\x93NUMPY\x01\x00')
    expect(text).toContain("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }")
    const header = Buffer.from(bytes).readUInt16LE(8) + 10
    expect(header % 64).toBe(0)
    expect(text[header - 1]).toBe('\n')
    expect(bytes.byteLength).toBe(header + 2 * 6 * 4)
  })

  it('gives the same bytes for the same rows whatever the room', () => {
    const small = allocateNpy(1, [5])
    const large = allocateNpy(100_000, [5])
    for (const file of [small, large]) file.setRow(0, Float32Array.of(1, 2, 3, 4, 5))
    expect(Buffer.compare(small.finish(1), large.finish(1))).toBe(0)
  })

  it('refuses rows that are not there and values that do not fit', () => {
    const file = allocateNpy(2, [3])
    expect(() => file.row(2)).toThrow(/row 2 of 2/)
    expect(() => file.setRow(0, new Float32Array(4))).toThrow(/4 values, expected 3/)
    expect(() => file.finish(3)).toThrow(/3 rows/)
  })
})

const layers = [
  { layer: 'pool5', rowShape: [7] },
  { layer: 'res4/b3', rowShape: [2, 3, 5] },
  { layer: 'score', rowShape: [1] },
]
const keys = Array.from({ length: 9 }, (_, index) => `photos/ü ${index}.jpg`)
const knownLabels = keys.map((_, index) => (index % 2 === 0 ? `class ${index}` : undefined))

const value = (layer: number, row: number, index: number): number => Math.fround(Math.sin(layer * 1000 + row * 50 + index) * 10)

function part(format: FeatureFormat, dtype: FeatureDtype, kept: readonly number[], labels = true): FeatureFile[] {
  const writer = createPartWriter({ format, dtype, part: 12, layers: layers, keys: keys, labels: labels ? knownLabels : undefined })
  for (const [row, image] of kept.entries()) {
    for (const [index, { layer, rowShape }] of layers.entries()) {
      const length = rowShape.reduce((product, size) => product * size, 1)
      writer.setRow(
        layer,
        row,
        Float32Array.from({ length }, (_, position) => value(index, image, position)),
      )
    }
  }
  return writer.finish(
    kept.map(image => keys[image] ?? ''),
    kept.map(image => knownLabels[image]),
  )
}

const all = keys.map((_, index) => index)

describe.each(['npy', 'parquet', 'safetensors'] as const)('a part as %s', format => {
  const fileOf = (files: FeatureFile[], layer: number): Uint8Array =>
    (format === 'npy' ? files[layer] : files[0])?.bytes ?? new Uint8Array()

  it.each(['float32', 'float16'] as const)('comes back row by row in %s, with images left out or not', async dtype => {
    for (const kept of [all, [0, 2, 3, 8], [5], []]) {
      const files = part(format, dtype, kept)
      for (const [index, { layer, rowShape }] of layers.entries()) {
        const rows = await readFeatureRows(format, fileOf(files, index), layer)
        expect(rows).toMatchObject({ layer, dtype, shape: [kept.length, ...rowShape] })
        const length = rowShape.reduce((product, size) => product * size, 1)
        const exact = Float32Array.from({ length: kept.length * length }, (_, at) =>
          value(index, kept[Math.floor(at / length)] ?? 0, at % length),
        )
        const expected = dtype === 'float32' ? exact : fromFloat16(halvesOf(exact))
        expect([...rows.data]).toEqual([...expected])
      }
    }
  })

  it('reads only the rows asked for, in ranges', async () => {
    const bytes = fileOf(part(format, 'float32', all), 1)
    let read = 0
    const source: RangeSource = {
      bytes: bytes.byteLength,
      range: async (start, end) => {
        read += end - start
        return bytes.slice(start, end)
      },
    }
    const rows = await readFeatureRows(format, source, 'res4/b3', { start: 4, end: 6 })
    expect(rows.shape).toEqual([2, 2, 3, 5])
    expect([...rows.data]).toEqual(Array.from({ length: 60 }, (_, at) => value(1, 4 + Math.floor(at / 30), at % 30)))
    expect(read).toBeGreaterThan(0)
    expect((await readFeatureRows(format, source, 'res4/b3', { start: 7 })).shape).toEqual([2, 2, 3, 5])
    expect((await readFeatureRows(format, source, 'res4/b3', { start: 20 })).shape).toEqual([0, 2, 3, 5])
  })

  it('is the same bytes for the same input, and others for another', () => {
    const bytes = part(format, 'float32', all).map(file => Buffer.from(file.bytes))
    expect(Buffer.concat(part(format, 'float32', all).map(file => Buffer.from(file.bytes))).equals(Buffer.concat(bytes))).toBe(true)
    expect(
      Buffer.concat(part(format, 'float32', [1, 0, 2, 3, 4, 5, 6, 7, 8]).map(file => Buffer.from(file.bytes))).equals(Buffer.concat(bytes)),
    ).toBe(false)
  })

  it('refuses files that are cut off or something else', async () => {
    const bytes = fileOf(part(format, 'float32', all), 0)
    for (const broken of [
      bytes.subarray(0, bytes.byteLength - 1),
      bytes.subarray(0, 40),
      new Uint8Array(),
      Buffer.from('something else, and long enough to hold a header'),
    ]) {
      await expect(readFeatureRows(format, broken, 'pool5')).rejects.toMatchObject({
        code: 'FEATURES_INVALID',
        message: expect.stringContaining('pool5') as string,
      })
    }
  })
})

function halvesOf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length)
  toFloat16(values, halves)
  return halves
}

describe('files of several layers', () => {
  it.each(['parquet', 'safetensors'] as const)('name the layers there are (%s)', async format => {
    const [file] = part(format, 'float32', all, false)
    await expect(readFeatureRows(format, file?.bytes ?? new Uint8Array(), 'fc7')).rejects.toMatchObject({
      code: 'LAYER_MISSING',
      message: expect.stringContaining('pool5, res4/b3, score') as string,
    })
  })

  it('have their paths by format', () => {
    expect(part('npy', 'float32', all).map(file => file.path)).toEqual([
      'features/pool5/part-00012.npy',
      'features/res4.b3/part-00012.npy',
      'features/score/part-00012.npy',
    ])
    expect(part('parquet', 'float32', all).map(file => file.path)).toEqual(['features/part-00012.parquet'])
    expect(part('safetensors', 'float32', all).map(file => file.path)).toEqual(['features/part-00012.safetensors'])
  })
})
