import type { SchemaElement } from 'hyparquet'
import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer'
import type { IndexRow } from '../records/index-rows.js'
import { appendLayer } from './parquet.js'
import type { FeatureBlock } from './stream.js'

/** Some images with their vectors, one behind the other. */
export interface VectorRows {
  readonly rows: readonly IndexRow[]
  /** Numbers in a vector. */
  readonly length: number
  readonly values: Float32Array
}

/** Bytes of vectors that are put together: a row group of a table. */
const defaultGroupBytes = 32 * 1024 * 1024
/** Keys and hashes have their bytes too. */
const mostRows = 65_536

/**
 * Puts blocks of a stream together into groups of one size, the last one of what is left: the same however a run was cut into parts.
 *
 * @param skip images at the start to leave out
 */
export async function* groupVectors(
  blocks: AsyncIterable<FeatureBlock>,
  skip = 0,
  groupBytes: number = defaultGroupBytes,
): AsyncGenerator<VectorRows> {
  let group: { rows: IndexRow[]; length: number; values: Float32Array; most: number } | undefined
  let left = skip
  for await (const { rows, length, values } of blocks) {
    for (let taken = Math.min(left, rows.length); taken < rows.length;) {
      if (group === undefined) {
        const most = Math.max(1, Math.min(mostRows, Math.floor(groupBytes / (4 * Math.max(1, length)))))
        group = { rows: [], length, values: new Float32Array(most * length), most }
      }
      const count = Math.min(group.most - group.rows.length, rows.length - taken)
      group.values.set(values.subarray(taken * length, (taken + count) * length), group.rows.length * length)
      group.rows.push(...rows.slice(taken, taken + count))
      taken += count
      if (group.rows.length < group.most) continue
      yield group
      group = undefined
    }
    left = Math.max(0, left - rows.length)
  }
  if (group !== undefined) yield { ...group, values: group.values.subarray(0, group.rows.length * group.length) }
}

const text = (name: string, repetition: 'REQUIRED' | 'OPTIONAL'): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type: repetition,
})
const whole = (name: string): SchemaElement => ({ name, type: 'INT32', repetition_type: 'REQUIRED' })

const schema: readonly SchemaElement[] = [
  { name: 'root', num_children: 6 },
  text('key', 'REQUIRED'),
  text('label', 'OPTIONAL'),
  whole('width'),
  whole('height'),
  text('sha256', 'REQUIRED'),
  { name: 'vector', converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
]

function columnsOf(rows: readonly IndexRow[]): ColumnSource[] {
  return [
    { name: 'key', data: rows.map(({ key }) => key) },
    { name: 'label', data: rows.map(({ label }) => label) },
    { name: 'width', data: Int32Array.from(rows, ({ width }) => width) },
    { name: 'height', data: Int32Array.from(rows, ({ height }) => height) },
    { name: 'sha256', data: rows.map(({ sha256 }) => sha256) },
  ]
}

/** The bytes written since the last time; the writer goes on behind them. */
function take(writer: ByteWriter): Uint8Array {
  const bytes = writer.getBytes().slice()
  writer.index = 0
  return bytes
}

/**
 * One Parquet file of images and their vectors, a piece for each row group: `key`, `label`, `width`, `height`, `sha256` and `vector`, a
 * list of floats. The same images give the same bytes.
 *
 * @param groups not empty, all of vectors of one length
 * @param metadata entries of the file's own, by name
 */
export async function* encodeVectorTable(
  groups: AsyncIterable<VectorRows>,
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter(64 * 1024)
  const kvMetadata = Object.entries(metadata).map(([key, value]) => ({ key, value }))
  const file = new ParquetWriter({ writer, schema: [...schema], kvMetadata, createdBy: 'layermill' })
  for await (const { rows, length, values } of groups) {
    void file.write({ columnData: columnsOf(rows), rowGroupSize: rows.length })
    appendLayer(file, { layer: 'vector', rowShape: [length], data: values }, rows.length)
    yield take(writer)
  }
  void file.finish()
  yield take(writer)
}
