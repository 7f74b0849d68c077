import { LayermillError, Random } from '@layermill/core'

/** Most memory of a projection. */
const mostBytes = 2 ** 30

/** A linear map from `columns` numbers to `components`, made of a seed. */
export interface RandomProjection {
  readonly columns: number
  readonly components: number
  readonly bytes: number
  /** One row's values; sums are in float64 in the order of the columns. */
  project(values: Float32Array | Float64Array): Float64Array
}

/** Most components whose number and sign fit into 16 bits. */
const mostShort = 2 ** 15

/** Bytes of the entries that are not zero, expected to be `components * sqrt(columns)`, and of how many there are in each column. */
export const projectionBytes = (columns: number, components: number): number =>
  Math.ceil(components * Math.sqrt(columns)) * (components > mostShort ? 4 : 2) + columns

/** Columns and signs of the entries of one row of the matrix: `column * 2 + (negative ? 1 : 0)`, upwards. */
function rowEntries(columns: number, seed: string, row: number): Uint32Array {
  const density = 1 / Math.sqrt(columns)
  const random = new Random(`sparse-projection:${seed}:${row}`)
  let entries = new Uint32Array(Math.ceil(1.1 * columns * density) + 16)
  let count = 0
  // The gaps between entries of equal chance are geometric: one number an entry, not one a column.
  const log = Math.log1p(-density)
  for (let column = 0; column < columns; column++) {
    if (density < 1) {
      const uniform = (random.uint32() + 0.5) / 2 ** 32
      column += Math.floor(Math.log(uniform) / log)
      if (column >= columns) break
    }
    if (count === entries.length) {
      const more = new Uint32Array(2 * count)
      more.set(entries)
      entries = more
    }
    entries[count++] = column * 2 + (random.uint32() >>> 31)
  }
  return entries.subarray(0, count)
}

/** A sparse matrix by columns: how many entries each has, and all of them, `row * 2 + (negative ? 1 : 0)`. */
interface ByColumns {
  readonly counts: Uint8Array | Uint32Array
  readonly entries: Uint16Array | Uint32Array
}

function byColumns(columns: number, components: number, seed: string): ByColumns {
  const rows = Array.from({ length: components }, (_, row) => rowEntries(columns, seed, row))
  const ends = new Uint32Array(columns)
  for (const row of rows) for (let i = 0; i < row.length; i++) ends[row[i]! >>> 1]!++
  const most = ends.reduce((largest, count) => Math.max(largest, count), 0)
  const counts = most < 256 ? Uint8Array.from(ends) : Uint32Array.from(ends)
  let total = 0
  for (let column = 0; column < columns; column++) {
    const count = ends[column]!
    // Begins as the place of the column's first entry, and ends behind its last.
    ends[column] = total
    total += count
  }
  const entries = components > mostShort ? new Uint32Array(total) : new Uint16Array(total)
  for (const [number, row] of rows.entries())
    for (let i = 0; i < row.length; i++) entries[ends[row[i]! >>> 1]!++] = number * 2 + (row[i]! & 1)
  return { counts, entries }
}

/**
 * Sums of the values with the signs of their entries. By columns, so that the values are read once and in their order, and the sums stay
 * in the processor's cache; each sum has its terms in the order of the columns all the same.
 */
function addSigned({ counts, entries }: ByColumns, values: Float32Array | Float64Array, sums: Float64Array): void {
  let at = 0
  for (let column = 0; column < counts.length; column++) {
    const end = at + counts[column]!
    const value = values[column]!
    // Zeros, half of what is behind a ReLU, change no sum.
    if (value !== 0) {
      for (let i = at; i < end; i++) {
        const entry = entries[i]!
        sums[entry >>> 1]! += (entry & 1) === 0 ? value : -value
      }
    }
    at = end
  }
}

/**
 * A very sparse random projection (Li, Hastie and Church 2006; Achlioptas 2003): entries are +-sqrt(s / components) with probability 1 /
 * (2s) each, else 0, with s = sqrt(columns). Squared lengths are kept in expectation, with a standard deviation of some sqrt(2 /
 * components) of themselves. The matrix depends on the seed and the two sizes alone.
 *
 * @throws LayermillError `SPEC_INVALID` where it would take more than a gigabyte
 */
export function sparseProjection(columns: number, components: number, seed: string): RandomProjection {
  if (projectionBytes(columns, components) > mostBytes || columns >= 2 ** 31) {
    throw new LayermillError(
      'SPEC_INVALID',
      `a sparse projection of ${columns} numbers to ${components} would take more than a gigabyte of memory`,
      {
        hint: 'ask for fewer components, or pool the layer first',
      },
    )
  }
  const map = byColumns(columns, components, seed)
  const scale = Math.sqrt(Math.sqrt(columns) / components)
  return {
    columns,
    components,
    bytes: map.counts.byteLength + map.entries.byteLength,
    project: values => {
      requireLength(values, columns)
      const sums = new Float64Array(components)
      addSigned(map, values, sums)
      return sums.map(sum => sum * scale)
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
    bytes: places.byteLength,
    project: values => {
      requireLength(values, columns)
      return Float64Array.from(places, place => values[place]!)
    },
  }
}

function requireLength(values: ArrayLike<number>, columns: number): void {
  if (values.length !== columns) throw new LayermillError('ROW_INVALID', `a row of ${values.length} numbers, expected ${columns}`)
}
