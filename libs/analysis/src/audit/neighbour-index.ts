import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { exactShifts, subtractRow } from '../matrix/columns.js'
import { mappedSource, readRows, rowBlocks, type RowSource } from '../matrix/row-source.js'
import { spreadOver } from './components.js'
import { type NeighbourOptions, type Neighbours, neighboursOfRows, putLists } from './neighbours.js'

/** An index of vectors that finds most of the nearest ones, as HNSW does (Malkov and Yashunin 2016). */
export interface NeighbourIndex {
  /** Adds rows, one behind the other; the first one has the place `start`. */
  add(start: number, rows: Float32Array): void
  /**
   * The nearest rows of each row given, nearest first, itself among them. The first ones of many are found more surely than few are.
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
/** Recall at which an index is asked for no more rows. Above the least: it is chosen by the rows that the recall is told of. */
const aimedRecall = 0.96
/** Rows that an index is asked for where fewer give less recall. */
const widths = [128, 192, 288, 432, 648] as const

const blockRows = 1024

/** Neighbours by an index. */
export interface IndexedNeighbours extends Neighbours {
  /** Share of the exact neighbours that the index found, of rows spread over the set; of rows equally far the lower place counts. */
  readonly recall: number
}

/** A range of rows, and what an index found of each: so many places and squared distances a row, itself left out. */
interface Found {
  readonly places: Uint32Array
  readonly squares: Float64Array
  readonly found: Uint32Array
}

/** Asks an index for so many neighbours of rows at these places, and for so many rows to find them among. */
function searched(index: NeighbourIndex, rows: Float32Array, at: (row: number) => number, count: number, width: number): Found {
  const found = index.search(rows, width)
  const asked = found.found.length
  const result = { places: new Uint32Array(asked * count), squares: new Float64Array(asked * count), found: new Uint32Array(asked) }
  for (let i = 0; i < asked; i++) {
    const known = Number(found.found[i]!)
    let kept = 0
    for (let k = i * width; k < i * width + known && kept < count; k++) {
      const place = Number(found.places[k]!)
      if (place === at(i)) continue
      result.places[i * count + kept] = place
      result.squares[i * count + kept++] = found.squares[k]!
    }
    result.found[i] = kept
  }
  return result
}

/** Share of exact neighbours that are among found ones, of the same rows. */
function recallOf(exact: Neighbours, places: Uint32Array): number {
  const { count } = exact
  let hits = 0
  for (let start = 0; start < places.length; start += count) {
    const own = new Set(exact.places.subarray(start, start + count))
    for (const place of places.subarray(start, start + count)) if (own.has(place)) hits++
  }
  return hits / places.length
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
  const sample = spreadOver(source.rows, recallRows)
  const exact = await neighboursOfRows(source, sample, options)
  const width = await widthFor(index, centred, scale, { sample, exact })
  const places = new Uint32Array(source.rows * count)
  // Of half precision: float32 holds them.
  const distances = new Float32Array(source.rows * count)
  const short: number[] = []
  for await (const { start, count: rows, values } of rowBlocks(centred, blockRows)) {
    signal?.throwIfAborted()
    const found = searched(index, scaled(values, scale), i => start + i, count, width)
    places.set(found.places, start * count)
    for (const [at, square] of found.squares.entries()) distances[start * count + at] = Math.sqrt(square) * scale
    for (const [i, known] of found.found.entries()) if (known < count) short.push(start + i)
    onProgress?.(source.rows + start + rows, total)
    await yieldToOthers()
  }
  for (let at = 0; at < short.length; at += blockRows) {
    const rows = short.slice(at, at + blockRows)
    putLists({ count, places, distances }, rows, await neighboursOfRows(source, rows, options))
  }
  return { count, places, distances, recall: recallOf(exact, ofRows({ count, places }, sample)) }
}

/** Lists of some rows, one behind the other. */
const ofRows = ({ count, places }: Pick<Neighbours, 'count' | 'places'>, rows: readonly number[]): Uint32Array =>
  Uint32Array.from(rows.flatMap(row => [...places.subarray(row * count, (row + 1) * count)]))

/** Share of the exact neighbours that are among those found, of rows spread over the set. */
export async function measuredRecall(source: RowSource, found: Neighbours, by: Omit<NeighbourOptions, 'count'>): Promise<number> {
  const sample = spreadOver(source.rows, recallRows)
  return recallOf(await neighboursOfRows(source, sample, { ...by, count: found.count }), ofRows(found, sample))
}

/** The fewest rows to ask an index for that give the recall aimed at, of a sample; the most of the table where none does. */
async function widthFor(
  index: NeighbourIndex,
  centred: RowSource,
  scale: number,
  { sample, exact }: { readonly sample: readonly number[]; readonly exact: Neighbours },
): Promise<number> {
  const rows = scaled((await readRows(centred, sample)).data, scale)
  const { count } = exact
  const choices = [count + 1, ...widths.filter(width => width > count + 1 && width < centred.rows)]
  for (const width of choices) {
    const { places } = searched(index, rows, i => sample[i]!, count, width)
    if (recallOf(exact, places) >= aimedRecall) return width
    await yieldToOthers()
  }
  return choices.at(-1)!
}
