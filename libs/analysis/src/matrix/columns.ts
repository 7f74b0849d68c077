import { type Matrix, matrix } from './matrix.js'
import type { RowSource } from './row-source.js'
import { rowBlocks } from './row-source.js'

/**
 * The means of the columns in float64. Sums are of differences from the first row, and what they round off is added by a second pass, so
 * that an offset of a thousand times the spread costs nothing.
 */
export async function columnMeans(source: RowSource): Promise<Float64Array> {
  const { rows, columns } = source
  const means = rows === 0 ? new Float64Array(columns) : (await source.read(0, 1)).slice()
  for (let pass = 0; pass < 2; pass++) {
    const sums = new Float64Array(columns)
    for await (const { values, count } of rowBlocks(source)) {
      for (let i = 0, at = 0; i < count; i++) {
        for (let j = 0; j < columns; j++) sums[j]! += values[at++]! - means[j]!
      }
    }
    for (let j = 0; j < columns; j++) means[j]! += sums[j]! / Math.max(1, rows)
  }
  return means
}

/** Subtracts a row from every row, in place. */
export function subtractRow(values: Float64Array, row: Float64Array): Float64Array {
  for (let at = 0; at < values.length;) {
    for (let j = 0; j < row.length; j++) values[at++]! -= row[j]!
  }
  return values
}

/** A copy whose columns have mean 0. */
export async function centred(source: RowSource): Promise<Matrix> {
  const means = await columnMeans(source)
  const values = (await source.read(0, source.rows)).slice()
  return matrix(source.rows, source.columns, subtractRow(values, means))
}

/**
 * Shifts near the means of the columns, on a grid as coarse as the columns' spread: numbers that are exact in float32 are still exact in
 * float64 after it, so that equal distances stay equal, and what is left of an offset is below the spread.
 */
export async function exactShifts(source: RowSource): Promise<Float64Array> {
  const means = await columnMeans(source)
  const deviations = await columnDeviations(source, means)
  const first = await source.read(0, Math.min(1, source.rows))
  return means.map((mean, j) => {
    const deviation = deviations[j]!
    if (deviation === 0) return first[j] ?? 0
    const grid = 2 ** Math.floor(Math.log2(deviation))
    const shift = Math.round(mean / grid) * grid
    return Number.isFinite(shift) ? shift : mean
  })
}

/** Divides each row by its Euclidean length, in place; a row of zeros stays as it is. */
export function normalizeRows(values: Float64Array, columns: number): Float64Array {
  for (let start = 0; start < values.length; start += columns) {
    const norm = rowNorm(values, start, start + columns)
    if (norm === 0) continue
    for (let at = start; at < start + columns; at++) values[at]! /= norm
  }
  return values
}

/** The Euclidean length of a range of numbers, scaled by its largest so that no square overflows or vanishes. */
export function rowNorm(values: Float64Array, start: number, end: number): number {
  let largest = 0
  for (let at = start; at < end; at++) largest = Math.max(largest, Math.abs(values[at]!))
  if (largest === 0) return 0
  let sum = 0
  for (let at = start; at < end; at++) sum += (values[at]! / largest) ** 2
  return largest * Math.sqrt(sum)
}

/** The standard deviations of the columns around given means, divided by n (ddof 0); of a column that does not vary, exactly 0. */
export async function columnDeviations(source: RowSource, means: Float64Array): Promise<Float64Array> {
  const sums = new Float64Array(source.columns)
  const low = new Float64Array(source.columns).fill(Infinity)
  const high = new Float64Array(source.columns).fill(-Infinity)
  for await (const { values, count } of rowBlocks(source)) {
    for (let i = 0, at = 0; i < count; i++) {
      for (let j = 0; j < source.columns; j++, at++) {
        const value = values[at]!
        sums[j]! += (value - means[j]!) ** 2
        low[j] = Math.min(low[j]!, value)
        high[j] = Math.max(high[j]!, value)
      }
    }
  }
  // A constant like 0.1 differs from its rounded mean: that is no variance.
  return sums.map((sum, j) => (low[j] === high[j] ? 0 : Math.sqrt(sum / source.rows)))
}
