import { fillRows, readByFill, type RowSource } from '@layermill/analysis'
import { LayermillError } from '@layermill/core'
import type { NamedSet } from './feature-sets.js'

/** Sets whose rows are of the same images in the same order. */
export interface Aligned {
  readonly sets: readonly NamedSet[]
  readonly rows: number
  /** How rows were put beside each other. */
  readonly matchedBy: 'key' | 'row'
  /** Keys in the order of the rows, where they are known. */
  readonly keys: readonly string[] | undefined
  /** Of each set how many rows have no partner in all others. */
  readonly leftOut: ReadonlyMap<string, number>
}

/** Rows of a source in another order; rows that lie beside each other are read together. */
function reordered(source: RowSource, order: Uint32Array): RowSource {
  const { columns } = source
  const fill = async (start: number, end: number, values: Float64Array): Promise<void> => {
    const places = Uint32Array.from({ length: end - start }, (_, i) => i).sort((a, b) => order[start + a]! - order[start + b]!)
    for (let i = 0; i < places.length;) {
      const first = order[start + places[i]!]!
      let next = i + 1
      while (next < places.length && order[start + places[next]!]! === first + next - i) next++
      const rows = await source.read(first, first + next - i)
      for (let k = i; k < next; k++) values.set(rows.subarray((k - i) * columns, (k - i + 1) * columns), places[k]! * columns)
      i = next
    }
  }
  return { rows: order.length, columns, read: readByFill(columns, fill), fill }
}

/** A source that refuses numbers that are not finite, by name of set and row: they would make every value undefined. */
function finite({ name, source, keys }: NamedSet): RowSource {
  // Means are taken first: that pass looks at every row once.
  let checked = 0
  const check = (values: Float64Array, start: number, end: number): void => {
    if (end <= checked) return
    for (let i = 0; i < values.length; i++) {
      if (Number.isFinite(values[i]!)) continue
      const row = start + Math.floor(i / source.columns)
      const where = keys === undefined ? `row ${row}` : `row ${row} (${keys[row]})`
      throw new LayermillError('FEATURES_INVALID', `${name}: ${where} has a number that is not finite (${values[i]}), expected finite ones`)
    }
    if (start <= checked) checked = end
  }
  return {
    rows: source.rows,
    columns: source.columns,
    read: async (start, end) => {
      const values = await source.read(start, end)
      check(values, start, end)
      return values
    },
    fill: async (start, end, target) => check(await fillRows(source, start, end, target), start, end),
  }
}

const sameKeys = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((key, i) => key === b[i])

function placesOf({ name, keys = [] }: NamedSet): Map<string, number> {
  const places = new Map<string, number>()
  for (const [i, key] of keys.entries()) {
    if (places.has(key)) throw new LayermillError('FEATURES_INVALID', `${name} has two rows with the key ${JSON.stringify(key)}`)
    places.set(key, i)
  }
  return places
}

/**
 * Puts the rows of sets beside each other: by key where all have keys, in the order of the first set, rows that some set lacks left out; by
 * row where some have none.
 *
 * @throws LayermillError `ROW_INVALID` where sets without keys have other numbers of rows, or no key is in all of them; `FEATURES_INVALID`
 * where
 *   a key is there twice
 */
export function alignSets(sets: readonly NamedSet[]): Aligned {
  const aligned = matchRows(sets)
  return { ...aligned, sets: aligned.sets.map(set => ({ ...set, source: finite(set) })) }
}

function matchRows(sets: readonly NamedSet[]): Aligned {
  const [first] = sets
  if (first === undefined) throw new LayermillError('ROW_INVALID', 'nothing to compare: no feature sets')
  if (sets.some(({ keys }) => keys === undefined)) {
    const other = sets.find(({ source }) => source.rows !== first.source.rows)
    if (other !== undefined) {
      throw new LayermillError(
        'ROW_INVALID',
        `${other.name} has ${other.source.rows} rows, ${first.name} ${first.source.rows}: without keys on both sides rows are matched by their order`,
        { hint: 'give Parquet files or .npz archives with keys, or files of equally many rows in the same order' },
      )
    }
    return { sets, rows: first.source.rows, matchedBy: 'row', keys: sets.find(({ keys }) => keys !== undefined)?.keys, leftOut: new Map() }
  }
  if (sets.every(({ keys }) => sameKeys(keys!, first.keys!))) {
    return { sets, rows: first.source.rows, matchedBy: 'key', keys: first.keys, leftOut: new Map() }
  }
  const places = sets.map(placesOf)
  const shared = first.keys!.filter(key => places.every(each => each.has(key)))
  if (shared.length === 0) {
    const [a, b] = [first, sets.find((_, i) => i > 0 && !first.keys!.some(key => places[i]!.has(key))) ?? sets[1]!]
    throw new LayermillError(
      'ROW_INVALID',
      `${a.name} and ${b.name} have no key in common: ${a.keys![0]} and ${b.keys![0]} are their first ones`,
    )
  }
  const leftOut = new Map<string, number>()
  const matched = sets.map((set, i) => {
    if (set.source.rows > shared.length) leftOut.set(set.name, set.source.rows - shared.length)
    return {
      ...set,
      keys: shared,
      source: reordered(
        set.source,
        Uint32Array.from(shared, key => places[i]!.get(key)!),
      ),
    }
  })
  return { sets: matched, rows: shared.length, matchedBy: 'key', keys: shared, leftOut }
}
