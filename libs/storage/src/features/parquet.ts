import { LayermillError } from '@layermill/core'
import { type ColumnChunk, parquetMetadata, type SchemaElement } from 'hyparquet'
import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'
import { type FeatureDtype, type FeatureLayer, type FeatureRows, lengthOf, rangesOf, type RangeSource, type RowRange } from './types.js'

/** Values in one page, at most; a row is never split, so a longer row is a page of its own. */
const pageValues = 2 ** 18
/** The file's own key-value entry: what the features are and where each page's values start. */
const metadataEntry = 'layermill'

/** One layer's rows to be written: `rows * lengthOf(rowShape)` values. */
export interface ParquetLayer extends FeatureLayer {
  readonly data: Float32Array
}

interface PageEntry {
  readonly rows: number
  /** Of the first value, from the start of the file. */
  readonly offset: number
}

interface LayerEntry {
  readonly layer: string
  readonly shape: readonly number[]
  readonly pages: readonly PageEntry[]
}

/**
 * A part's features as one Parquet file: `key`, `label` where there are any, and for each layer a column of float lists, each image's
 * features in C order. The shapes are in the file's key-value metadata under `layermill`. float16 features are stored as the float32 of
 * their value, because few readers know Parquet's own half type. The same input gives the same bytes.
 *
 * hyparquet-writer writes the columns of text and the footer. The lists are written here: all of one length and without nulls, their levels
 * are runs and their values the bytes as they are, which is tens of times faster than value by value.
 */
export function encodeParquetFeatures(
  keys: readonly string[],
  labels: readonly (string | undefined)[] | undefined,
  layers: readonly ParquetLayer[],
  dtype: FeatureDtype,
): Uint8Array {
  const room = layers.reduce((sum, { data }) => sum + data.byteLength + 64 * keys.length, 0)
  const writer = new ByteWriter(room + keys.reduce((sum, key) => sum + 4 * key.length + 64, 65_536))
  const file = new ParquetWriter({
    writer,
    schema: schemaOf(layers, labels !== undefined),
    codec: 'UNCOMPRESSED',
    kvMetadata: [],
    createdBy: 'layermill',
  })
  const columnData: ColumnSource[] = [{ name: 'key', data: [...keys] }]
  if (labels !== undefined) columnData.push({ name: 'label', data: [...labels] })
  const entries: LayerEntry[] = []
  if (keys.length === 0) {
    for (const { layer, rowShape } of layers) entries.push({ layer, shape: rowShape, pages: [] })
  } else {
    void file.write({ columnData, rowGroupSize: keys.length })
    for (const layer of layers) entries.push(appendLayer(file, layer, keys.length))
  }
  file.kvMetadata?.push({ key: metadataEntry, value: JSON.stringify({ dtype, rows: keys.length, layers: entries }) })
  void file.finish()
  return writer.getBytes()
}

function schemaOf(layers: readonly FeatureLayer[], labels: boolean): SchemaElement[] {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: layers.length + (labels ? 2 : 1) },
    { name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  ]
  if (labels) schema.push({ name: 'label', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' })
  for (const { layer } of layers) {
    schema.push(
      { name: layer, converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    )
  }
  return schema
}

/** Adds one layer's column chunk to the row group just written; its lists all have the length of the layer's rows. */
export function appendLayer(file: ParquetWriter, { layer, rowShape, data }: ParquetLayer, rows: number): LayerEntry {
  const { writer } = file
  const length = lengthOf(rowShape)
  if (length === 0 || data.length !== rows * length) {
    throw new LayermillError('FEATURES_INVALID', `features of ${layer}: ${data.length} values for ${rows} rows of [${rowShape.join(', ')}]`)
  }
  const start = writer.offset
  const rowsAPage = Math.max(1, Math.floor(pageValues / length))
  const pages: PageEntry[] = []
  for (let row = 0; row < rows; row += rowsAPage) {
    const count = Math.min(rowsAPage, rows - row)
    const offset = appendPage(writer, data.subarray(row * length, (row + count) * length), count, length)
    pages.push({ rows: count, offset })
  }
  const bytes = BigInt(writer.offset - start)
  const chunk: ColumnChunk = {
    file_offset: BigInt(start),
    meta_data: {
      type: 'FLOAT',
      encodings: ['RLE', 'PLAIN'],
      path_in_schema: [layer, 'list', 'element'],
      codec: 'UNCOMPRESSED',
      num_values: BigInt(data.length),
      total_uncompressed_size: bytes,
      total_compressed_size: bytes,
      data_page_offset: BigInt(start),
    },
  }
  const group = file.row_groups.at(-1)
  if (group === undefined) throw new LayermillError('UNEXPECTED', 'a column was written before its row group')
  group.columns.push(chunk)
  group.total_byte_size += bytes
  group.total_compressed_size = (group.total_compressed_size ?? 0n) + bytes
  return { layer, shape: rowShape, pages }
}

/** Writes one page of lists, all of `length`; gives back where its values start. */
function appendPage(writer: ParquetWriter['writer'], values: Float32Array, rows: number, length: number): number {
  const levels = new ByteWriter(32 + rows * 16)
  // Repetition: 0 where a row starts, 1 for the rest of it. A run is twice its length, then the level.
  for (let row = 0; row < (length === 1 ? 1 : rows); row++) {
    levels.appendVarInt((length === 1 ? rows : 1) * 2)
    levels.appendUint8(0)
    if (length === 1) continue
    levels.appendVarInt((length - 1) * 2)
    levels.appendUint8(1)
  }
  const repetition = levels.offset
  // Definition: nothing is absent.
  levels.appendVarInt(values.length * 2)
  levels.appendUint8(1)
  const size = levels.offset + values.byteLength
  writePageHeader(writer, {
    type: 'DATA_PAGE_V2',
    uncompressed_page_size: size,
    compressed_page_size: size,
    data_page_header_v2: {
      num_values: values.length,
      num_nulls: 0,
      num_rows: rows,
      encoding: 'PLAIN',
      repetition_levels_byte_length: repetition,
      definition_levels_byte_length: levels.offset - repetition,
      is_compressed: false,
    },
  })
  writer.appendBytes(levels.getBytes())
  const offset = writer.offset
  writer.appendBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return offset
}

/**
 * Rows of one layer of a Parquet feature file written by Layermill; reads the footer and the pages that hold the rows.
 *
 * @throws LayermillError `FEATURES_INVALID`, `LAYER_MISSING`
 */
export async function readParquetFeatures(input: Uint8Array | RangeSource, layer: string, rows: RowRange = {}): Promise<FeatureRows> {
  const source = rangesOf(input)
  const { dtype, count, entry } = await readEntry(source, layer)
  const length = lengthOf(entry.shape)
  const start = Math.min(rows.start ?? 0, count)
  const end = Math.max(start, Math.min(rows.end ?? count, count))
  const data = new Float32Array((end - start) * length)
  const target = new Uint8Array(data.buffer)
  let first = 0
  for (const page of entry.pages) {
    const from = Math.max(start, first)
    const to = Math.min(end, first + page.rows)
    if (from < to) {
      const offset = page.offset + (from - first) * length * 4
      const bytes = await source.range(offset, offset + (to - from) * length * 4)
      if (bytes.byteLength !== (to - from) * length * 4) throw invalid(layer, 'the file is cut off')
      target.set(bytes, (from - start) * length * 4)
    }
    first += page.rows
  }
  return { layer, dtype, shape: [end - start, ...entry.shape], data }
}

function invalid(layer: string, what: string): LayermillError {
  return new LayermillError('FEATURES_INVALID', `features of ${layer} (parquet): ${what}`)
}

async function readEntry(source: RangeSource, layer: string): Promise<{ dtype: FeatureDtype; count: number; entry: LayerEntry }> {
  const end = Buffer.from(await source.range(Math.max(0, source.bytes - 8), source.bytes))
  if (end.length < 8 || end.toString('latin1', 4) !== 'PAR1') throw invalid(layer, 'not a Parquet file')
  const footerBytes = end.readUInt32LE(0) + 8
  if (footerBytes > source.bytes) throw invalid(layer, 'the footer is cut off')
  const footer = await source.range(source.bytes - footerBytes, source.bytes)
  const metadata = parquetMetadata(footer.slice().buffer)
  const text = metadata.key_value_metadata?.find(({ key }) => key === metadataEntry)?.value
  if (text === undefined) throw invalid(layer, `not written by Layermill (no '${metadataEntry}' in its metadata)`)
  const found = JSON.parse(text) as { dtype: FeatureDtype; rows: number; layers: LayerEntry[] }
  const entry = found.layers.find(candidate => candidate.layer === layer)
  if (entry !== undefined) return { dtype: found.dtype, count: found.rows, entry }
  throw new LayermillError('LAYER_MISSING', `no layer ${layer} in the file; it holds ${found.layers.map(each => each.layer).join(', ')}`)
}
