import { type Matrix, matrix, type Rows } from './matrix.js'

/** Rows that are read in ranges, as from files: a set of features. */
export interface RowSource {
  readonly rows: number
  /** Numbers in a row. */
  readonly columns: number
  /** The rows from `start` up to `end`, one behind the other. The array may be reused or shared: copy before writing into it. */
  read(start: number, end: number): Promise<Float64Array>
  /** The same into a given array of `(end - start) * columns` numbers, for blocks that are read many times. */
  fill?(start: number, end: number, target: Float64Array): Promise<void>
}

/** Rows from `start` up to `end` in a given array, which is given back. */
export async function fillRows(source: RowSource, start: number, end: number, target: Float64Array): Promise<Float64Array> {
  if (source.fill === undefined) target.set(await source.read(start, end))
  else await source.fill(start, end, target)
  return target
}

/** Reads rows into arrays of their own through `fill`. */
export const readByFill =
  (columns: number, fill: NonNullable<RowSource['fill']>): RowSource['read'] =>
  async (start, end) => {
    const target = new Float64Array((end - start) * columns)
    await fill(start, end, target)
    return target
  }

/** Bytes of float64 values in a block of rows. */
export const rowBlockBytes = 8 * 1024 * 1024

/** Rows of a block of about `bytes`: at least 1. */
export const rowsABlock = (columns: number, bytes: number = rowBlockBytes): number =>
  Math.max(1, Math.floor(bytes / (8 * Math.max(1, columns))))

/** All rows in order, in blocks of bounded size. The array of a block may be that of the one before. */
export async function* rowBlocks(
  source: RowSource,
  blockRows: number = rowsABlock(source.columns),
): AsyncGenerator<{ readonly start: number; readonly count: number; readonly values: Float64Array }> {
  const room = source.fill === undefined ? undefined : new Float64Array(Math.min(blockRows, source.rows) * source.columns)
  for (let start = 0; start < source.rows; start += blockRows) {
    const end = Math.min(source.rows, start + blockRows)
    const values =
      room === undefined
        ? await source.read(start, end)
        : await fillRows(source, start, end, room.subarray(0, (end - start) * source.columns))
    yield { start, count: end - start, values }
  }
}

/** Rows in memory as a source; those of float32 are copied as they are read. */
export function sourceOf({ rows, columns, data }: Rows): RowSource {
  if (data instanceof Float64Array) return { rows, columns, read: async (start, end) => data.subarray(start * columns, end * columns) }
  const fill = async (start: number, end: number, target: Float64Array): Promise<void> =>
    target.set(data.subarray(start * columns, end * columns))
  return { rows, columns, read: readByFill(columns, fill), fill }
}

/** A source whose rows are changed one block at a time, in a copy. */
export function mappedSource(source: RowSource, change: (values: Float64Array, start: number) => void): RowSource {
  const fill = async (start: number, end: number, target: Float64Array): Promise<void> =>
    change(await fillRows(source, start, end, target), start)
  return { rows: source.rows, columns: source.columns, read: readByFill(source.columns, fill), fill }
}

/** Single rows of a source in memory, one behind the other. */
export async function readRows(source: RowSource, places: readonly number[]): Promise<Matrix> {
  const rows = matrix(places.length, source.columns)
  for (const [i, place] of places.entries()) rows.data.set(await source.read(place, place + 1), i * source.columns)
  return rows
}

/** The rows of a source from `start` up to `end`. */
export const rowRange = (source: RowSource, start: number, end: number): RowSource => ({
  rows: end - start,
  columns: source.columns,
  read: (from, to) => source.read(start + from, start + to),
  fill: async (from, to, target) => void (await fillRows(source, start + from, start + to, target)),
})

/**
 * Some rows of a source, in their order, read in ranges of bounded size.
 * @param places in rising order
 */
export function takenRows(source: RowSource, places: readonly number[]): RowSource {
  const { columns } = source
  const most = rowsABlock(columns)
  const fill = async (start: number, end: number, target: Float64Array): Promise<void> => {
    for (let at = start; at < end;) {
      const first = places[at]!
      let last = at
      while (last + 1 < end && places[last + 1]! - first < most) last++
      const values = await source.read(first, places[last]! + 1)
      for (; at <= last; at++) {
        const from = (places[at]! - first) * columns
        target.set(values.subarray(from, from + columns), (at - start) * columns)
      }
    }
  }
  return { rows: places.length, columns, read: readByFill(columns, fill), fill }
}

/** Means of so many neighbouring numbers of each row: of a feature map with one channel behind the other, each channel's mean. */
export function meanRows(source: RowSource, numbers: number): RowSource {
  const columns = source.columns / numbers
  const fill = async (start: number, end: number, target: Float64Array): Promise<void> => {
    const block = rowsABlock(source.columns)
    for (let top = start; top < end; top += block) {
      const values = await source.read(top, Math.min(end, top + block))
      for (let at = 0, to = (top - start) * columns; at < values.length; to++) {
        let sum = 0
        for (const stop = at + numbers; at < stop; at++) sum += values[at]!
        target[to] = sum / numbers
      }
    }
  }
  return { rows: source.rows, columns, read: readByFill(columns, fill), fill }
}
