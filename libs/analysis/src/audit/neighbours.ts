import { exactShifts, subtractRow } from '../matrix/columns.js'
import { matrix, type MatrixProduct } from '../matrix/matrix.js'
import { mappedSource, readRows, rowsABlock, type RowSource, sourceOf } from '../matrix/row-source.js'

/** The nearest rows of each row, itself left out, nearest first. */
export interface Neighbours {
  /** Of each row. */
  readonly count: number
  /** `rows * count` places. */
  readonly places: Uint32Array
  /** Euclidean distances, in the same order. */
  readonly distances: Float32Array | Float64Array
}

export interface NeighbourOptions {
  readonly product: MatrixProduct
  readonly count: number
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/** Rows of two blocks of which distances are computed at once. */
const blockRows = 1024
/** Below this share of the squared lengths, a squared distance is taken from the rows themselves. */
const near = 1e-5

/** Keeps the nearest of one row: sorted, of equal distances the lower place first. */
function insert(places: Uint32Array, squares: Float64Array, start: number, count: number, place: number, square: number): void {
  let at = start + count - 1
  if (square >= squares[at]!) return
  while (at > start && squares[at - 1]! > square) {
    squares[at] = squares[at - 1]!
    places[at] = places[at - 1]!
    at--
  }
  squares[at] = square
  places[at] = place
}

/**
 * The exact nearest neighbours of all rows of a set, or of the rows of one set among those of another, by blocks of float64 products. In
 * n^2 d operations (half of them for one set) and the memory of two blocks besides the result.
 *
 * @param others where the neighbours are; default: the rows themselves
 */
export async function nearestNeighbours(
  source: RowSource,
  { product, count: wanted, onProgress, signal }: NeighbourOptions,
  others?: RowSource,
): Promise<Neighbours> {
  const among = others ?? source
  const count = Math.max(1, Math.min(wanted, others === undefined ? among.rows - 1 : among.rows))
  const places = new Uint32Array(source.rows * count)
  const squares = new Float64Array(source.rows * count).fill(Infinity)
  const shifts = await exactShifts(among)
  const [queries, base] = [source, among].map(each => mappedSource(each, values => void subtractRow(values, shifts))) as [
    RowSource,
    RowSource,
  ]
  const size = Math.min(blockRows, rowsABlock(source.columns))
  const isSame = others === undefined
  // Of each row the distance that a nearer one must be below.
  const limits = new Float64Array(source.rows).fill(Infinity)
  const take = (row: number, place: number, square: number): void => {
    if (square >= limits[row]!) return
    insert(places, squares, row * count, count, place, square)
    limits[row] = squares[row * count + count - 1]!
  }
  for (let top = 0; top < source.rows; top += size) {
    const rows = await block(queries, top, size)
    // Of one set a pair of blocks serves the rows of both: neighbours come in the order of their places all the same.
    for (let left = isSame ? top : 0; left < among.rows; left += size) {
      signal?.throwIfAborted()
      const columns = isSame && left === top ? rows : await block(base, left, size)
      const products = (await product(rows.values, columns.values, 'nt')).data
      for (let i = 0; i < rows.values.rows; i++) {
        const [row, length, at] = [top + i, rows.norms[i]!, i * columns.values.rows]
        for (let j = isSame && left === top ? i + 1 : 0; j < columns.values.rows; j++) {
          const lengths = length + columns.norms[j]!
          let square = lengths - 2 * products[at + j]!
          if (square >= limits[row]! && !(isSame && square < limits[left + j]!)) continue
          if (square <= near * lengths) square = distance(rows.values.data, i, columns.values.data, j, source.columns)
          take(row, left + j, square)
          if (isSame) take(left + j, row, square)
        }
      }
    }
    onProgress?.(Math.min(source.rows, top + size), source.rows)
  }
  for (let at = 0; at < squares.length; at++) squares[at] = Math.sqrt(squares[at]!)
  return { count, places, distances: squares }
}

async function block(source: RowSource, start: number, size: number) {
  const end = Math.min(source.rows, start + size)
  const values = matrix(end - start, source.columns, await source.read(start, end))
  const norms = new Float64Array(values.rows)
  for (let i = 0, at = 0; i < values.rows; i++)
    for (let k = 0; k < values.columns; k++, at++) norms[i]! += values.data[at]! * values.data[at]!
  return { values, norms }
}

function distance(a: Float64Array, i: number, b: Float64Array, j: number, columns: number): number {
  let sum = 0
  for (let k = 0; k < columns; k++) sum += (a[i * columns + k]! - b[j * columns + k]!) ** 2
  return sum
}

/** Exact neighbours of some rows of a source among all of it, themselves left out. */
export async function neighboursOfRows(source: RowSource, rows: readonly number[], options: NeighbourOptions): Promise<Neighbours> {
  const sample = await readRows(source, rows)
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

/** Puts the neighbours of some rows, one behind the other, in their places among those of all. */
export function putLists(all: Neighbours, rows: readonly number[], { count, places, distances }: Neighbours): void {
  for (const [i, row] of rows.entries()) {
    all.places.set(places.subarray(i * count, (i + 1) * count), row * count)
    all.distances.set(distances.subarray(i * count, (i + 1) * count), row * count)
  }
}

/** Distance to the nearest over that to the tenth, below which a row is a near duplicate of its nearest. */
export const nearDuplicateRatio = 0.5
/** The neighbour that a distance is measured by. */
export const referenceNeighbour = 10

/**
 * Distance of each row to its nearest over that to its tenth: near 0 for a copy, whatever the scale of the features, and near 1 in a crowd.
 * No fixed distance or cosine does that. Among fewer than eleven rows there is no tenth neighbour to tell: 0 for the same features, else 1.
 */
export function nearestRatios({ count, distances }: Neighbours): Float64Array {
  const reference = referenceNeighbour - 1
  return Float64Array.from({ length: distances.length / count }, (_, row) => {
    if (count <= reference) return distances[row * count]! === 0 ? 0 : 1
    const far = distances[row * count + reference]!
    // More than nine copies of one picture: all of them are its duplicates.
    return far === 0 ? 0 : distances[row * count]! / far
  })
}

/** Rows that hang together through near duplicates, in groups of two or more, in the order of their first rows. */
export function duplicateGroups({ count, places, distances }: Neighbours, ratio: number = nearDuplicateRatio): number[][] {
  const ratios = nearestRatios({ count, places, distances })
  const parent = Array.from(ratios.keys())
  const root = (row: number): number => {
    let at = row
    while (parent[at] !== at) at = parent[at] = parent[parent[at]!]!
    return at
  }
  const join = (a: number, b: number): void => {
    const [x, y] = [root(a), root(b)]
    parent[Math.max(x, y)] = Math.min(x, y)
  }
  for (const [row, value] of ratios.entries()) {
    if (value < ratio) join(row, places[row * count]!)
  }
  const sizes = new Uint32Array(ratios.length)
  for (const row of ratios.keys()) sizes[root(row)]!++
  const groups = new Map<number, number[]>()
  for (const row of ratios.keys()) {
    const first = root(row)
    if (sizes[first]! < 2) continue
    const group = groups.get(first)
    if (group === undefined) groups.set(first, [row])
    else group.push(row)
  }
  return [...groups.values()]
}

/** The neighbour whose distance is the outlier score: a group of alike pictures hides from a smaller number than its size. */
export const outlierNeighbour = 40

/**
 * Distance of each row to its 40th neighbour, or the last there is, times the largest step between the distances of neighbours from the
 * tenth on, as a ratio. In a crowd the steps are near 1; where a group of alike rows ends, its first neighbour outside is several times as
 * far as its last one inside, so that a group does not pass for rows that are merely far from others.
 */
export function outlierScores({ count, distances }: Neighbours, neighbour: number = outlierNeighbour): Float64Array {
  const last = Math.min(neighbour, count) - 1
  return Float64Array.from({ length: distances.length / count }, (_, row) => {
    const start = row * count
    let step = 1
    for (let k = referenceNeighbour - 1; k < last; k++) {
      const near = distances[start + k]!
      // Copies have no distance: they are duplicates, and found as such.
      if (near > 0) step = Math.max(step, distances[start + k + 1]! / near)
    }
    return distances[start + last]! * step
  })
}
