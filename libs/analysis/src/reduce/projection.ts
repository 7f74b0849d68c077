import { LayermillError, Random } from '@layermill/core'

/** Most entries of a projection: a gigabyte of memory. */
const mostEntries = 2 ** 28

/** A linear map from `columns` numbers to `components`, made of a seed. */
export interface RandomProjection {
  readonly columns: number
  readonly components: number
  readonly bytes: number
  /** One row's values; sums are in float64 in the order of the columns. */
  project(values: Float32Array | Float64Array): Float64Array
}

/** Entries that are not zero, expected: `components * sqrt(columns)`. */
export const projectionBytes = (columns: number, components: number): number => Math.ceil(components * Math.sqrt(columns)) * 4

/** Columns and signs of the entries of one row of the matrix: `column * 2 + (negative ? 1 : 0)`, upwards. */
function rowEntries(columns: number, seed: string, row: number): Uint32Array {
  const density = 1 / Math.sqrt(columns)
  const random = new Random(`sparse-projection:${seed}:${row}`)
  const entries: number[] = []
  // The gaps between entries of equal chance are geometric: one number an entry, not one a column.
  const log = Math.log1p(-density)
  for (let column = 0; column < columns; column++) {
    if (density < 1) {
      const uniform = (random.uint32() + 0.5) / 2 ** 32
      column += Math.floor(Math.log(uniform) / log)
      if (column >= columns) break
    }
    entries.push(column * 2 + (random.uint32() >>> 31))
  }
  return Uint32Array.from(entries)
}

/**
 * A very sparse random projection (Li, Hastie and Church 2006; Achlioptas 2003): entries are +-sqrt(s / components) with probability 1 /
 * (2s) each, else 0, with s = sqrt(columns). Squared lengths are kept in expectation, with a standard deviation of some sqrt(2 /
 * components) of themselves. The matrix depends on the seed and the two sizes alone.
 *
 * @throws LayermillError `SPEC_INVALID` where it would take more than a gigabyte
 */
export function sparseProjection(columns: number, components: number, seed: string): RandomProjection {
  if (projectionBytes(columns, components) / 4 > mostEntries || columns >= 2 ** 31) {
    throw new LayermillError(
      'SPEC_INVALID',
      `a sparse projection of ${columns} numbers to ${components} would take more than a gigabyte of memory`,
      {
        hint: 'ask for fewer components, or pool the layer first',
      },
    )
  }
  const rows = Array.from({ length: components }, (_, row) => rowEntries(columns, seed, row))
  const scale = Math.sqrt(Math.sqrt(columns) / components)
  return {
    columns,
    components,
    bytes: rows.reduce((sum, { byteLength }) => sum + byteLength, 0),
    project: values => {
      requireLength(values, columns)
      return Float64Array.from(rows, entries => {
        let sum = 0
        for (let i = 0; i < entries.length; i++) {
          const entry = entries[i]!
          const value = values[entry >>> 1]!
          sum += (entry & 1) === 0 ? value : -value
        }
        return sum * scale
      })
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
