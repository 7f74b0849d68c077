import { LayermillError, Random, Scratch } from '@layermill/core'
import { addSigned, type ColumnBlock } from './signed-sums.js'

/** Most memory of a projection. */
const mostBytes = 2 ** 30

/** A linear map from `columns` numbers to `components`, made of a seed. */
export interface RandomProjection {
  readonly columns: number
  readonly components: number
  /** One row's values; sums are in float64 in the order of the columns. */
  project(values: Float32Array | Float64Array): Float64Array
}

/** Most components whose number and sign fit into 16 bits. */
const mostShort = 2 ** 15

/** Bytes of the entries that are not zero, expected to be `components * sqrt(columns)`, and of how many there are in each column. */
export const projectionBytes = (columns: number, components: number): number =>
  Math.ceil(components * Math.sqrt(columns)) * (components > mostShort ? 4 : 2) + columns

/** Entries of all rows, one row after the other: `column * 2 + (negative ? 1 : 0)`, upwards in each. */
interface ByRows {
  readonly entries: Uint32Array
  /** Places behind the last entry of each row. */
  readonly ends: Uint32Array
}

function byRows(columns: number, components: number, seed: string, scratch: Scratch): ByRows {
  const density = 1 / Math.sqrt(columns)
  // The gaps between entries of equal chance are geometric: one number an entry, not one a column.
  const log = Math.log1p(-density)
  const ends = new Uint32Array(components)
  const expected = components * columns * density
  // Five standard deviations more than expected.
  let entries = new Uint32Array(scratch.buffer(4 * (Math.ceil(expected + 5 * Math.sqrt(expected)) + 16)))
  let count = 0
  for (let row = 0; row < components; row++) {
    const random = new Random(`sparse-projection:${seed}:${row}`)
    for (let column = 0; column < columns; column++) {
      if (density < 1) {
        const uniform = (random.uint32() + 0.5) / 2 ** 32
        column += Math.floor(Math.log(uniform) / log)
        if (column >= columns) break
      }
      if (count === entries.length) {
        const more = new Uint32Array(scratch.buffer(8 * count))
        more.set(entries)
        entries = more
      }
      entries[count++] = column * 2 + (random.uint32() >>> 31)
    }
    ends[row] = count
  }
  return { entries, ends }
}

/**
 * Takes a block, whose memory is its own from then on, and gives it back as often as it is asked: until the next one is asked for, it
 * may be read.
 */
export type KeepBlock = (block: ColumnBlock) => () => ColumnBlock

const inMemory: KeepBlock = block => () => block

/** Columns of a block: some 400 KB of 4,096 components of a large map. */
const blockColumns = 2 ** 16

function byColumns(columns: number, components: number, seed: string, keep: KeepBlock): (() => ColumnBlock)[] {
  using scratch = new Scratch()
  const rows = byRows(columns, components, seed, scratch)
  const total = rows.ends[components - 1] ?? 0
  const ends = new Uint32Array(scratch.buffer(4 * columns))
  for (let i = 0; i < total; i++) ends[rows.entries[i]! >>> 1]!++
  const most = ends.reduce((largest, count) => Math.max(largest, count), 0)
  const counts = most < 256 ? new Uint8Array(scratch.buffer(columns)) : new Uint32Array(scratch.buffer(4 * columns))
  counts.set(ends)
  let place = 0
  for (let column = 0; column < columns; column++) {
    const count = ends[column]!
    // Begins as the place of the column's first entry, and ends behind its last.
    ends[column] = place
    place += count
  }
  const entries = components > mostShort ? new Uint32Array(scratch.buffer(4 * total)) : new Uint16Array(scratch.buffer(2 * total))
  for (let row = 0, i = 0; row < components; row++) {
    for (const end = rows.ends[row]!; i < end; i++) {
      const entry = rows.entries[i]!
      entries[ends[entry >>> 1]!++] = row * 2 + (entry & 1)
    }
  }
  const blocks: (() => ColumnBlock)[] = []
  for (let start = 0; start < columns; start += blockColumns) {
    const end = Math.min(columns, start + blockColumns)
    const first = start === 0 ? 0 : ends[start - 1]!
    blocks.push(keep({ counts: counts.slice(start, end), entries: entries.slice(first, ends[end - 1]) }))
  }
  return blocks
}

/**
 * A very sparse random projection (Li, Hastie and Church 2006; Achlioptas 2003): entries are +-sqrt(s / components) with probability 1 /
 * (2s) each, else 0, with s = sqrt(columns). Squared lengths are kept in expectation, with a standard deviation of some sqrt(2 /
 * components) of themselves. The matrix depends on the seed and the two sizes alone.
 *
 * @param keep holds the matrix, a block of columns after the other; default: in memory
 * @throws LayermillError `SPEC_INVALID` where it would take more than a gigabyte
 */
export function sparseProjection(columns: number, components: number, seed: string, keep: KeepBlock = inMemory): RandomProjection {
  if (projectionBytes(columns, components) > mostBytes || columns >= 2 ** 31) {
    throw new LayermillError(
      'SPEC_INVALID',
      `a sparse projection of ${columns} numbers to ${components} would take more than a gigabyte of memory`,
      {
        hint: 'ask for fewer components, or pool the layer first',
      },
    )
  }
  const blocks = byColumns(columns, components, seed, keep)
  const scale = Math.sqrt(Math.sqrt(columns) / components)
  return {
    columns,
    components,
    project: values => {
      requireLength(values, columns)
      const sums = new Float64Array(components)
      for (const [number, read] of blocks.entries()) {
        const block = read()
        const start = number * blockColumns
        addSigned(block, values.subarray(start, start + block.counts.length), sums)
      }
      for (let k = 0; k < components; k++) sums[k]! *= scale
      return sums
    },
  }
}

/**
 * Columns drawn without replacement, in their order: units of a layer chosen at random.
 * @param components at most `columns`; more are cut
 */
export function randomColumns(columns: number, components: number, seed: string): RandomProjection {
  const random = new Random(`random-columns:${seed}`)
  // Floyd's sampling: as many numbers as columns are drawn.
  const chosen = new Set<number>()
  for (let last = Math.max(0, columns - components); last < columns; last++) {
    const drawn = random.below(last + 1)
    chosen.add(chosen.has(drawn) ? last : drawn)
  }
  const places = Uint32Array.from(chosen).sort()
  return {
    columns,
    components: places.length,
    project: values => {
      requireLength(values, columns)
      return Float64Array.from(places, place => values[place]!)
    },
  }
}

function requireLength(values: ArrayLike<number>, columns: number): void {
  if (values.length !== columns) throw new LayermillError('ROW_INVALID', `a row of ${values.length} numbers, expected ${columns}`)
}
