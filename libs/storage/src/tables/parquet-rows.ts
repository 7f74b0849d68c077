import { LayermillError } from '@layermill/core'
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import type { RangeSource } from '../features/types.js'
import { pathColumns } from '../sources/columns.js'
import type { NumberRows } from './npy-rows.js'

/** The vectors of a Parquet file. */
export interface VectorColumn {
  readonly name: string
  readonly rows: NumberRows
}

export interface ParquetRows {
  readonly sets: readonly VectorColumn[]
  /** The column of keys, where there is one. */
  readonly keys: readonly string[] | undefined
}

const invalid = (name: string, what: string): LayermillError => new LayermillError('FEATURES_INVALID', `${name}: ${what}`)

/** The index of a table of pandas: names of images where it holds texts, else a running number. */
const pandasIndex = '__index_level_0__'

/** Texts, and whole numbers where the column is named for them. */
const isKey = (value: unknown, column: string): boolean =>
  typeof value === 'string' || (column.toLowerCase() === 'key' && (typeof value === 'bigint' || Number.isSafeInteger(value)))

/** Columns that say something about an image, beside its numbers. */
const otherColumns = new Set(['label', 'class', 'cls', 'width', 'height', 'split', 'part', 'row', 'index', pandasIndex])

const isVector = (value: unknown): boolean => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof Uint8Array))

/**
 * The vectors of a Parquet file of any tool: each column of lists of numbers is a set; where there are none, all columns of floating-point
 * numbers together are one. The file is read whole.
 *
 * @throws LayermillError `FEATURES_INVALID`
 */
export async function openParquetRows(source: RangeSource, name: string): Promise<ParquetRows> {
  const file = {
    byteLength: source.bytes,
    slice: async (start: number, end = source.bytes) => (await source.range(start, end)).slice().buffer,
  }
  let metadata: FileMetaData
  let objects: Record<string, unknown>[]
  try {
    metadata = await parquetMetadataAsync(file)
    // A third of a megabyte of code, which most commands do not need.
    const { compressors } = await import('hyparquet-compressors')
    objects = await parquetReadObjects({ file, metadata, compressors })
  } catch (cause) {
    throw new LayermillError('FEATURES_INVALID', `${name}: not a Parquet file that can be read`, { cause })
  }
  const [first] = objects
  if (first === undefined) throw invalid(name, 'no rows')
  const columns = Object.keys(first)
  const keyColumn = [...pathColumns, pandasIndex]
    .flatMap(wanted => columns.filter(column => column.toLowerCase() === wanted))
    .find(column => isKey(first[column], column))
  const keys = keyColumn === undefined ? undefined : objects.map(row => String(row[keyColumn]))
  const vectors = columns.filter(column => isVector(first[column]))
  if (vectors.length > 0) {
    return {
      keys,
      sets: vectors.map(column => ({ name: column, rows: tableOf(objects, name, row => Array.from(row[column] as ArrayLike<number>)) })),
    }
  }
  const numbers = columns.filter(
    column => column !== keyColumn && typeof first[column] === 'number' && !otherColumns.has(column.toLowerCase()),
  )
  if (numbers.length === 0) throw invalid(name, `no column of numbers or of lists of numbers among ${columns.join(', ')}`)
  return { keys, sets: [{ name: 'columns', rows: tableOf(objects, name, row => numbers.map(column => row[column])) }] }
}

function tableOf(
  objects: readonly Record<string, unknown>[],
  name: string,
  cells: (row: Record<string, unknown>) => unknown[],
): NumberRows {
  const length = cells(objects[0]!).length
  const values = new Float64Array(objects.length * length)
  for (const [i, row] of objects.entries()) {
    const found = cells(row).flat(Infinity)
    if (found.length !== length) throw invalid(name, `row ${i} has ${found.length} numbers, the first ${length}`)
    for (const [j, value] of found.entries())
      values[i * length + j] = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : NaN
  }
  return { rows: objects.length, columns: length, read: async (start, end) => values.subarray(start * length, end * length) }
}
