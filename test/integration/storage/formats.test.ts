import { fromFloat16 } from '@layermill/core'
import { createPartWriter, encodeIndex, type IndexRow, type PartOptions } from '@layermill/storage'
import { tableFromIPC } from 'apache-arrow'
import { parquetReadObjects } from 'hyparquet'
import { load } from 'npyjs'
import { readParquet } from 'parquet-wasm'
import { describe, expect, it } from 'vitest'

// Files written here must be readable by readers that have nothing to do with the writer.
const writtenLayers = [
  { layer: 'pool5', rowShape: [4] },
  { layer: 'res4/b3', rowShape: [3, 2, 2] },
]
const writtenKeys = ['a.jpg', 'ü/b c.png', '\u{1f600}.webp']
const labels = ['cat', undefined, 'dog']
const writtenRows = writtenKeys.map((_, row) =>
  writtenLayers.map(({ rowShape }, layer) =>
    Float32Array.from({ length: rowShape.reduce((product, size) => product * size, 1) }, (_value, index) =>
      Math.fround(Math.cos(row * 100 + layer * 10 + index) / 3),
    ),
  ),
)

function part(options: Pick<PartOptions, 'format' | 'dtype'>): Uint8Array[] {
  const writer = createPartWriter({ ...options, part: 0, layers: writtenLayers, keys: writtenKeys, labels: labels })
  for (const [row, layers] of writtenRows.entries()) {
    for (const [index, values] of layers.entries()) writer.setRow(writtenLayers[index]?.layer ?? '', row, values)
  }
  return writer.finish(writtenKeys, labels).map(file => file.bytes)
}

const copy = (bytes: Uint8Array): ArrayBuffer => bytes.slice().buffer
const flat = (layer: number): number[] => writtenRows.flatMap(layers => [...(layers[layer] ?? [])])

describe('npy', () => {
  it('is read by npyjs, float32 and float16', async () => {
    const [pool5, res4] = part({ format: 'npy', dtype: 'float32' })
    const first = await load(copy(pool5 ?? new Uint8Array()))
    expect(first).toMatchObject({ shape: [3, 4], dtype: 'f4', fortranOrder: false })
    expect([...(first.data as Float32Array)]).toEqual(flat(0))
    const second = await load(copy(res4 ?? new Uint8Array()))
    expect(second.shape).toEqual([3, 3, 2, 2])
    expect([...(second.data as Float32Array)]).toEqual(flat(1))
    const [halves] = part({ format: 'npy', dtype: 'float16' })
    const third = await load(copy(halves ?? new Uint8Array()), { convertFloat16: false })
    expect(third).toMatchObject({ shape: [3, 4], dtype: 'f2' })
    for (const [index, value] of fromFloat16(Uint16Array.from(third.data as Uint16Array)).entries())
      expect(value).toBeCloseTo(flat(0)[index] ?? NaN, 3)
  })
})

type Lists = Record<string, unknown>

describe('parquet', () => {
  it('is read by hyparquet, with its shapes in the metadata', async () => {
    const [file] = part({ format: 'parquet', dtype: 'float32' })
    const rows = (await parquetReadObjects({ file: copy(file ?? new Uint8Array()) })) as Lists[]
    expect(rows.map(row => ({ ...row, label: row['label'] ?? null }))).toEqual(
      writtenKeys.map((key, row) => ({
        key,
        label: labels[row] ?? null,
        pool5: [...(writtenRows[row]?.[0] ?? [])],
        'res4/b3': [...(writtenRows[row]?.[1] ?? [])],
      })),
    )
  })

  it('is read by Arrow', () => {
    const [file] = part({ format: 'parquet', dtype: 'float32' })
    const table = tableFromIPC(readParquet(file ?? new Uint8Array()).intoIPCStream())
    expect(table.schema.fields.map(field => String(field))).toEqual([
      'key: Utf8',
      'label: Utf8',
      'pool5: List<Float32>',
      'res4/b3: List<Float32>',
    ])
    const rows = table.toArray() as { toJSON(): Lists }[]
    expect(rows.map(row => row.toJSON()['label'])).toEqual(['cat', null, 'dog'])
    expect(rows.flatMap(row => [...(row.toJSON()['res4/b3'] as Iterable<number>)])).toEqual(flat(1))
  })

  it('splits large layers into pages that other readers put together again', async () => {
    const rowShape = [70_000]
    const keys = Array.from({ length: 20 }, (_, index) => `${index}.jpg`)
    const writer = createPartWriter({ format: 'parquet', dtype: 'float32', part: 0, layers: [{ layer: 'conv', rowShape }], keys })
    for (const row of keys.keys())
      writer.setRow(
        'conv',
        row,
        Float32Array.from({ length: 70_000 }, (_, index) => row + index / 131_072),
      )
    const bytes = writer.finish(keys)[0]?.bytes ?? new Uint8Array()
    const table = tableFromIPC(readParquet(bytes).intoIPCStream())
    expect(table.numRows).toBe(20)
    const last: Lists = table.get(19)?.toJSON() ?? {}
    expect([...(last['conv'] as Iterable<number>)]).toEqual([...Float32Array.from({ length: 70_000 }, (_, index) => 19 + index / 131_072)])
    const [row] = (await parquetReadObjects({ file: copy(bytes), rowStart: 7, rowEnd: 8 })) as Lists[]
    expect(row?.['key']).toBe('7.jpg')
    expect((row?.['conv'] as number[] | undefined)?.[69_999]).toBe(Math.fround(7 + 69_999 / 131_072))
  })

  it('holds an index that Arrow reads', () => {
    const rows: IndexRow[] = writtenKeys.map((key, row) => ({ key, part: 2, row, width: 500, height: 375, sha256: 'ab'.repeat(32) }))
    const table = tableFromIPC(readParquet(encodeIndex(rows)).intoIPCStream())
    expect(table.schema.fields.map(field => String(field))).toEqual([
      'key: Utf8',
      'part: Int32',
      'row: Int32',
      'width: Int32',
      'height: Int32',
      'label: Utf8',
      'sha256: Utf8',
    ])
    expect(table.toArray().map((row: { toJSON(): Lists }) => row.toJSON())).toEqual(rows.map(row => ({ ...row, label: null })))
  })
})

describe('safetensors', () => {
  it('follows the format: length, JSON, contiguous little-endian tensors', () => {
    const [file] = part({ format: 'safetensors', dtype: 'float32' })
    const bytes = Buffer.from(file ?? new Uint8Array())
    const length = Number(bytes.readBigUInt64LE())
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >
    const metadata = header['__metadata__'] as unknown as Record<string, string>
    expect(JSON.parse(metadata['keys'] ?? '')).toEqual(writtenKeys)
    expect(JSON.parse(metadata['labels'] ?? '')).toEqual(['cat', null, 'dog'])
    expect((8 + length) % 8).toBe(0)
    let end = 0
    for (const [index, { layer, rowShape }] of writtenLayers.entries()) {
      const tensor = header[layer]
      expect(tensor).toMatchObject({ dtype: 'F32', shape: [3, ...rowShape] })
      expect(tensor?.data_offsets[0]).toBe(end)
      end = tensor?.data_offsets[1] ?? NaN
      for (const [at, value] of flat(index).entries())
        expect(bytes.readFloatLE(8 + length + (tensor?.data_offsets[0] ?? NaN) + at * 4)).toBe(value)
    }
    expect(8 + length + end).toBe(bytes.byteLength)
  })
})
