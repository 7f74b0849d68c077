import { mappedSource, rowBlocks, type RowSource } from './row-source.js'

/** Magnitudes within 2^-60 to 2^60 need no scale: products of four of them, and sums of these, neither overflow nor vanish. */
const safeExponent = 60
/** Rows that are looked at before all are. */
const looked = 32

function largestOf(values: Float64Array, from: number): number {
  let largest = from
  for (let at = 0; at < values.length; at++) {
    const size = Math.abs(values[at]!)
    if (size > largest) largest = size
  }
  return largest
}

const isSafe = (largest: number): boolean => largest === 0 || Math.abs(Math.log2(largest)) <= safeExponent

/**
 * Power of two near the largest magnitude of a source, where its squares would overflow or vanish in float64; 1 for all others. Some rows,
 * spread evenly, tell whether all are read.
 */
export async function extremeScale(source: RowSource): Promise<number> {
  const { rows } = source
  let largest = 0
  const count = Math.min(looked, rows)
  for (let i = 0; i < count; i++) {
    const row = count === 1 ? 0 : Math.floor((i * (rows - 1)) / (count - 1))
    largest = largestOf(await source.read(row, row + 1), largest)
  }
  if (isSafe(largest)) return 1
  for await (const { values } of rowBlocks(source)) largest = largestOf(values, largest)
  return isSafe(largest) || !Number.isFinite(largest) ? 1 : 2 ** Math.floor(Math.log2(largest))
}

/** Magnitudes below this share of the largest are 0: their squares would vanish. */
const least = 2 ** -300

/** A source whose numbers are divided by a power of two, exactly; those that are far below the largest become 0. */
export function dividedSource(source: RowSource, scale: number): RowSource {
  if (scale === 1) return source
  return mappedSource(source, values => {
    for (let at = 0; at < values.length; at++) {
      const value = values[at]! / scale
      values[at] = Math.abs(value) < least ? 0 : value
    }
  })
}
