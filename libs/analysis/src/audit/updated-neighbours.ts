import { readRows, rowRange, rowsABlock, type RowSource, sourceOf } from '../matrix/row-source.js'
import { type NeighbourOptions, type Neighbours, nearestNeighbours, neighboursOfRows, putLists } from './neighbours.js'

/** Rows whose neighbours among new rows are computed at once: their lists are held beside those of all rows. */
const rangeRows = 16_384
/** Bytes of new rows that are held at once. */
const pieceBytes = 64 * 1024 * 1024

/** Rows of a set by what became of them. */
interface Changed {
  /** New ones, in rising order. */
  readonly fresh: readonly number[]
  /** Those that have lost a neighbour: what follows in its place was not kept. */
  readonly lost: readonly number[]
}

/** Puts the lists of rows that were there before in their places now. */
function moved(earlier: Neighbours, before: Int32Array, places: Uint32Array, distances: Float32Array | Float64Array): Changed {
  const { count } = earlier
  const now = new Int32Array(earlier.places.length / count).fill(-1)
  for (const [row, place] of before.entries()) if (place >= 0) now[place] = row
  const [fresh, lost]: [number[], number[]] = [[], []]
  for (const [row, place] of before.entries()) {
    if (place < 0) {
      fresh.push(row)
      continue
    }
    let isWhole = true
    for (let k = 0; k < count; k++) {
      const neighbour = now[earlier.places[place * count + k]!] ?? -1
      if (neighbour < 0) isWhole = false
      places[row * count + k] = Math.max(0, neighbour)
      distances[row * count + k] = earlier.distances[place * count + k]!
    }
    if (!isWhole) lost.push(row)
  }
  return { fresh, lost }
}

/** Puts neighbours into a sorted list of so many, nearest first, of equal distances the lower place first. */
function merge(list: Neighbours, row: number, found: Neighbours, at: number, placeOf: (place: number) => number): void {
  const [start, end] = [row * list.count, (row + 1) * list.count]
  for (let k = at * found.count; k < (at + 1) * found.count; k++) {
    const [distance, place] = [found.distances[k]!, placeOf(found.places[k]!)]
    const isNearer = (to: number): boolean =>
      distance < list.distances[to]! || (distance === list.distances[to]! && place < list.places[to]!)
    if (!isNearer(end - 1)) return
    let to = end - 1
    for (; to > start && isNearer(to - 1); to--) {
      list.distances[to] = list.distances[to - 1]!
      list.places[to] = list.places[to - 1]!
    }
    list.distances[to] = distance
    list.places[to] = place
  }
}

/**
 * Nearest neighbours of all rows of a set that has changed, from those of before: new rows, and rows that have lost a neighbour, are
 * compared with all others, exactly, in m n d operations for m of them.
 *
 * @param before of each row the one that it was then, -1 for a new one; no two rows have the same
 * @param earlier as many neighbours a row as are asked for
 */
export async function updatedNeighbours(
  source: RowSource,
  earlier: Neighbours,
  before: Int32Array,
  options: NeighbourOptions,
): Promise<Neighbours> {
  const { count } = earlier
  const { signal, product, onProgress } = options
  const places = new Uint32Array(source.rows * count)
  const distances = earlier.distances instanceof Float32Array ? new Float32Array(places.length) : new Float64Array(places.length)
  const list: Neighbours = { count, places, distances }
  const { fresh, lost } = moved(earlier, before, places, distances)
  const anew = new Set([...fresh, ...lost])
  const size = rowsABlock(source.columns, pieceBytes)
  const total = anew.size + fresh.length
  const by = signal === undefined ? { product } : { product, signal }
  let done = 0
  for (const rows of pieces([...anew], size)) {
    putLists(list, rows, await neighboursOfRows(source, rows, { ...by, count }))
    onProgress?.((done += rows.length), total)
  }
  for (const rows of pieces(fresh, size)) {
    const values = await readRows(source, rows)
    for (let start = 0; start < source.rows; start += rangeRows) {
      signal?.throwIfAborted()
      const range = rowRange(source, start, Math.min(source.rows, start + rangeRows))
      const found = await nearestNeighbours(range, { ...by, count }, sourceOf(values))
      for (let i = 0; i < range.rows; i++) if (!anew.has(start + i)) merge(list, start + i, found, i, place => rows[place]!)
    }
    onProgress?.((done += rows.length), total)
  }
  return list
}

function* pieces(rows: readonly number[], size: number): Generator<readonly number[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size)
}
