import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { exactShifts, subtractRow } from '../matrix/columns.js'
import { type Matrix, matrix } from '../matrix/matrix.js'
import { mappedSource, rowBlocks, type RowSource, sourceOf } from '../matrix/row-source.js'
import { spreadOver } from './components.js'
import { type NeighbourOptions, type Neighbours, nearestNeighbours } from './neighbours.js'

/** An index of vectors that finds most of the nearest ones, as HNSW does (Malkov and Yashunin 2016). */
export interface NeighbourIndex {
  /** Adds rows, one behind the other; the first one has the place `start`. */
  add(start: number, rows: Float32Array): void
  /**
   * The nearest rows of each row given, nearest first, itself among them.
   * @returns `count` places and squared Euclidean distances a row, and how many of them were found
   */
  search(rows: Float32Array, count: number): { places: ArrayLike<bigint>; squares: ArrayLike<number>; found: ArrayLike<bigint> }
}

/** Opens an empty index for rows of so many numbers. */
export type OpenNeighbourIndex = (columns: number) => NeighbourIndex

/** Rows up to which neighbours are exact unless asked for otherwise. */
export const mostExactRows = 100_000
/** Rows whose neighbours are computed exactly as well, to tell the recall. */
export const recallRows = 200
/** Recall that an index is held to by tests, and below which an audit says so. */
export const leastRecall = 0.95

const blockRows = 1024

/** Neighbours by an index. */
export interface IndexedNeighbours extends Neighbours {
  /** Share of the exact neighbours that the index found, of rows spread over the set; of rows equally far the lower place counts. */
  readonly recall: number
}

/** Exact neighbours of some rows of a source among all of it, themselves left out. */
async function exactOf(source: RowSource, rows: readonly number[], options: NeighbourOptions): Promise<Neighbours> {
  const sample: Matrix = matrix(rows.length, source.columns)
  for (const [i, row] of rows.entries()) sample.data.set(await source.read(row, row + 1), i * source.columns)
  const { product, signal } = options
  const wanted = Math.max(1, Math.min(options.count, source.rows - 1))
  const all = await nearestNeighbours(sourceOf(sample), { product, count: wanted + 1, ...(signal === undefined ? {} : { signal }) }, source)
  const places = new Uint32Array(rows.length * wanted)
  const distances = new Float64Array(places.length)
  for (const [i, row] of rows.entries()) {
    let kept = 0
    for (let at = i * all.count; at < (i + 1) * all.count && kept < wanted; at++) {
      if (all.places[at] === row) continue
      places[i * wanted + kept] = all.places[at]!
      distances[i * wanted + kept++] = all.distances[at]!
    }
  }
  return { count: wanted, places, distances }
}

function scaled(values: Float64Array, scale: number): Float32Array {
  const result = new Float32Array(values.length)
  for (let at = 0; at < values.length; at++) result[at] = values[at]! / scale
  return result
}

/**
 * Nearest neighbours of all rows by an index. Rows are centred and divided by their root mean square first, so that an index of half
 * precision holds them; distances are what it computed, put back into the features' units. Rows of which it finds too few are computed
 * exactly.
 */
export async function indexedNeighbours(
  source: RowSource,
  open: OpenNeighbourIndex,
  options: NeighbourOptions,
): Promise<IndexedNeighbours> {
  const { onProgress, signal } = options
  const shifts = await exactShifts(source)
  const centred = mappedSource(source, values => void subtractRow(values, shifts))
  let squares = 0
  for await (const { values } of rowBlocks(centred, blockRows))
    for (let at = 0; at < values.length; at++) squares += values[at]! * values[at]!
  const scale = Math.sqrt(squares / (source.rows * source.columns)) || 1
  const total = 2 * source.rows
  const index = open(source.columns)
  for await (const { start, count, values } of rowBlocks(centred, blockRows)) {
    signal?.throwIfAborted()
    index.add(start, scaled(values, scale))
    onProgress?.(start + count, total)
    // An index computes on the calling thread.
    await yieldToOthers()
  }
  const count = Math.max(1, Math.min(options.count, source.rows - 1))
  const places = new Uint32Array(source.rows * count)
  // Of half precision: float32 holds them.
  const distances = new Float32Array(source.rows * count)
  const short: number[] = []
  for await (const { start, count: rows, values } of rowBlocks(centred, blockRows)) {
    signal?.throwIfAborted()
    const found = index.search(scaled(values, scale), count + 1)
    for (let i = 0; i < rows; i++) {
      const [row, at] = [start + i, i * (count + 1)]
      const known = Number(found.found[i]!)
      let kept = 0
      for (let k = 0; k < known && kept < count; k++) {
        const place = Number(found.places[at + k]!)
        if (place === row) continue
        places[row * count + kept] = place
        distances[row * count + kept++] = Math.sqrt(found.squares[at + k]!) * scale
      }
      if (kept < count) short.push(row)
    }
    onProgress?.(source.rows + start + rows, total)
    await yieldToOthers()
  }
  for (let at = 0; at < short.length; at += blockRows) {
    const rows = short.slice(at, at + blockRows)
    const exact = await exactOf(source, rows, options)
    for (const [i, row] of rows.entries()) {
      places.set(exact.places.subarray(i * count, (i + 1) * count), row * count)
      distances.set(exact.distances.subarray(i * count, (i + 1) * count), row * count)
    }
  }
  const sample = spreadOver(source.rows, recallRows)
  const exact = await exactOf(source, sample, options)
  let hits = 0
  for (const [i, row] of sample.entries()) {
    const own = new Set(exact.places.subarray(i * count, (i + 1) * count))
    for (const place of places.subarray(row * count, (row + 1) * count)) if (own.has(place)) hits++
  }
  return { count, places, distances, recall: hits / (sample.length * count) }
}
