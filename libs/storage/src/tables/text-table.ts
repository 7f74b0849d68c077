import { LayermillError } from '@layermill/core'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer'

/** A column of a table: texts, whole numbers or numbers; undefined cells are empty. */
export type TableColumn =
  | { readonly name: string; readonly type: 'text'; readonly cells: readonly (string | undefined)[] }
  | { readonly name: string; readonly type: 'whole' | 'number'; readonly cells: readonly (number | undefined)[] }

const parquetTypes = { text: 'STRING', whole: 'INT32', number: 'DOUBLE' } as const

/** A table as one Parquet file, Snappy. The same cells give the same bytes. */
export function encodeTable(columns: readonly TableColumn[]): Uint8Array {
  const columnData = columns.map(({ name, type, cells }): ColumnSource => ({
    name,
    type: parquetTypes[type],
    nullable: true,
    data: [...cells],
  }))
  const rows = columns[0]?.cells.length ?? 0
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: Math.max(1, rows), createdBy: 'layermill' }))
}

/**
 * The cells of a Parquet file as texts, its names first; empty cells are empty texts.
 * @throws LayermillError `LIST_INVALID` where it is not such a file
 */
export async function decodeTable(bytes: Uint8Array, name: string): Promise<string[][]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  try {
    const metadata = parquetMetadata(file)
    const names = metadata.schema.filter(({ num_children: children }) => children === undefined).map(({ name: column }) => column)
    // A third of a megabyte of code, which most commands do not need.
    const { compressors } = await import('hyparquet-compressors')
    const rows = (await parquetReadObjects({ file, metadata, compressors })) as Record<string, unknown>[]
    const text = (value: unknown): string =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : ''
    return [names, ...rows.map(row => names.map(column => text(row[column])))]
  } catch (error) {
    throw new LayermillError('LIST_INVALID', `${name}: not a readable Parquet file`, { cause: error })
  }
}
