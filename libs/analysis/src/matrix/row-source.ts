import type { Matrix } from './matrix.js'

/** Rows that are read in ranges, as from files: a set of features. */
export interface RowSource {
  readonly rows: number
  /** Numbers in a row. */
  readonly columns: number
  /** The rows from `start` up to `end`, one behind the other. The array may be reused or shared: copy before writing into it. */
  read(start: number, end: number): Promise<Float64Array>
}

/** Bytes of float64 values in a block of rows. */
export const rowBlockBytes = 8 * 1024 * 1024

/** Rows of a block of about `bytes`: at least 1. */
export const rowsABlock = (columns: number, bytes: number = rowBlockBytes): number =>
  Math.max(1, Math.floor(bytes / (8 * Math.max(1, columns))))

/** All rows in order, in blocks of bounded size. */
export async function* rowBlocks(
  source: RowSource,
  blockRows: number = rowsABlock(source.columns),
): AsyncGenerator<{ readonly start: number; readonly count: number; readonly values: Float64Array }> {
  for (let start = 0; start < source.rows; start += blockRows) {
    const end = Math.min(source.rows, start + blockRows)
    yield { start, count: end - start, values: await source.read(start, end) }
  }
}

/** A matrix in memory as a source. */
export function sourceOf({ rows, columns, data }: Matrix): RowSource {
  return { rows, columns, read: async (start, end) => data.subarray(start * columns, end * columns) }
}

/** A source whose rows are changed one block at a time, in a copy. */
export function mappedSource(source: RowSource, change: (values: Float64Array, start: number) => void): RowSource {
  return {
    rows: source.rows,
    columns: source.columns,
    read: async (start, end) => {
      const values = (await source.read(start, end)).slice()
      change(values, start)
      return values
    },
  }
}
