import { LayermillError } from '@layermill/core'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer'

/** Place of an image's features, and facts of the image. */
export interface IndexRow {
  readonly key: string
  readonly part: number
  /** Its row in every feature file of the part, from 0. */
  readonly row: number
  /** Of the image as decoded, in pixels. */
  readonly width: number
  readonly height: number
  readonly label?: string
  /** Of the image file's bytes, 64 hexadecimal digits. */
  readonly sha256: string
  /** Values of its features that are NaN or infinite; only of runs that write such values. */
  readonly overflow?: number
}

/**
 * `index/part-N.parquet`: one row group, Snappy. The same rows give the same bytes. The column `overflow` is there where rows have it.
 */
export function encodeIndex(rows: readonly IndexRow[]): Uint8Array {
  const number = (name: 'part' | 'row' | 'width' | 'height' | 'overflow'): ColumnSource => ({
    name,
    type: 'INT32',
    nullable: false,
    data: Int32Array.from(rows, row => row[name] ?? 0),
  })
  const columnData: ColumnSource[] = [
    { name: 'key', type: 'STRING', nullable: false, data: rows.map(row => row.key) },
    number('part'),
    number('row'),
    number('width'),
    number('height'),
    { name: 'label', type: 'STRING', nullable: true, data: rows.map(row => row.label) },
    { name: 'sha256', type: 'STRING', nullable: false, data: rows.map(row => row.sha256) },
    ...(rows.some(row => row.overflow !== undefined) ? [number('overflow')] : []),
  ]
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: Math.max(1, rows.length), createdBy: 'layermill' }))
}

const bufferOf = (bytes: Uint8Array): ArrayBuffer =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer

const unreadable = (name: string, cause: unknown): LayermillError =>
  cause instanceof LayermillError ? cause : new LayermillError('RECORD_INVALID', `${name} is not a readable Parquet file`, { cause })

/** @throws LayermillError `RECORD_INVALID` where the file is not an index */
export async function parseIndex(bytes: Uint8Array, name: string): Promise<IndexRow[]> {
  const file = bufferOf(bytes)
  try {
    const metadata = parquetMetadata(file)
    const rows = (await parquetReadObjects({ file, metadata })) as Record<string, unknown>[]
    return rows.map((row, index) => indexRow(row, name, index))
  } catch (error) {
    throw unreadable(name, error)
  }
}

/**
 * The number of rows of an index by its end alone: a fiftieth of the time that its rows take.
 * @throws LayermillError `RECORD_INVALID` where the file is no Parquet file
 */
export function countIndexRows(bytes: Uint8Array, name: string): number {
  try {
    return Number(parquetMetadata(bufferOf(bytes)).num_rows)
  } catch (error) {
    throw unreadable(name, error)
  }
}

function indexRow(values: Record<string, unknown>, name: string, index: number): IndexRow {
  const { key, part, row, width, height, label, sha256, overflow } = values
  if (
    typeof key !== 'string' ||
    typeof sha256 !== 'string' ||
    typeof part !== 'number' ||
    typeof row !== 'number' ||
    typeof width !== 'number' ||
    typeof height !== 'number'
  ) {
    throw new LayermillError(
      'RECORD_INVALID',
      `${name}: row ${index}: expected the columns key, part, row, width, height, label and sha256`,
    )
  }
  // Literals without spreads: a search makes a row for every image.
  const found: IndexRow =
    typeof label === 'string' ? { key, part, row, width, height, label, sha256 } : { key, part, row, width, height, sha256 }
  return typeof overflow === 'number' ? { ...found, overflow } : found
}
