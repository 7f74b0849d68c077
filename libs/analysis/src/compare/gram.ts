import { type Matrix, matrix, type MatrixProduct } from '../matrix/matrix.js'
import { fillRows, type RowSource } from '../matrix/row-source.js'

/** Sums over pairs of rows, for all pairs of sets: at `a * count + b` with a <= b. */
export interface PairSums {
  /** Inner products of the Gram matrices without their diagonals. */
  readonly off: Float64Array
  /** Squared lengths of the rows of each set. */
  readonly squares: readonly Float64Array[]
}

/** Sums after some blocks: what a run that was ended goes on from. */
export interface GramState extends PairSums {
  /** Rows of a block, which the order of sums depends on. */
  readonly size: number
  /** Blocks that are in the sums, from the first. */
  readonly done: number
}

export interface GramOptions {
  readonly product: MatrixProduct
  /** Bytes of matrices held at once; about. */
  readonly memoryBytes: number
  /** Sums to go on from; those of another size of blocks are left alone. */
  readonly resumeFrom?: GramState | undefined
  /** Called after each block with the sums so far, which the next block changes. */
  readonly onBlock?: ((state: GramState) => Promise<void>) | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Most rows of a block. */
const mostRows = 1536
const fewestBlockRows = 16
/** Tiles along a side of a block on the diagonal, and rows that one has at least: below, products get slow. */
const mostSideTiles = 4
const fewestTileRows = 128
/** Up to this many sets, sums over their pairs are loops: the products of so few rows are slow. */
const fewSets = 4

interface Plan {
  readonly size: number
  /** Whether the upper block of every set is held while the blocks beside it pass by. */
  readonly held: boolean
}

/** The largest blocks that fit: the upper ones of all sets held where that costs no more than half of their size. */
function planOf(sources: readonly RowSource[], memoryBytes: number): Plan {
  const rows = sources[0]?.rows ?? 0
  const all = sources.reduce((total, source) => total + source.columns, 0)
  const widest = Math.max(1, ...sources.map(source => source.columns))
  const largest = (columns: number): number => {
    let size = Math.max(1, Math.min(rows, mostRows))
    while (size > fewestBlockRows && 8 * (size * columns + sources.length * size * size) > memoryBytes) size = Math.floor(size * 0.97)
    // Blocks of about the same size: as many of them, in less memory.
    return Math.max(1, Math.ceil(rows / Math.ceil(rows / size)))
  }
  const [one, every] = [largest(2 * widest), largest(all + widest)]
  return 2 * every >= one ? { size: every, held: true } : { size: one, held: false }
}

/**
 * Inner products of the Gram matrices of all pairs of sets of centred rows. Blocks of all Gram matrices are formed one after the other, the
 * upper half only, so that no n x n matrix exists. Arrays are made once: the products go on between reads without a pause for memory.
 */
export async function gramSums(sources: readonly RowSource[], options: GramOptions): Promise<PairSums> {
  const { product, memoryBytes, resumeFrom, onBlock, onProgress, signal } = options
  const rows = sources[0]?.rows ?? 0
  const count = sources.length
  const { size, held } = planOf(sources, memoryBytes)
  const widest = Math.max(1, ...sources.map(source => source.columns))
  const known = resumeFrom?.size === size ? resumeFrom : undefined
  const off = known?.off ?? new Float64Array(count * count)
  const squares = known?.squares ?? sources.map(() => new Float64Array(rows))
  const tops = held ? sources.map(source => new Float64Array(size * source.columns)) : [new Float64Array(size * widest)]
  const beside = new Float64Array(size * widest)
  const grams = new Float64Array(count * size * size)
  const blocks = Math.ceil(rows / size)
  const total = (blocks * (blocks + 1)) / 2
  let block = 0
  for (let top = 0; top < rows; top += size) {
    const bottom = Math.min(rows, top + size)
    let fresh = true
    for (let left = top; left < rows; left += size) {
      if (block++ < (known?.done ?? 0)) continue
      const right = Math.min(rows, left + size)
      const tiles = left === top ? diagonalTiles(bottom - top) : [wholeTile(bottom - top, right - left)]
      for (const [set, source] of sources.entries()) {
        signal?.throwIfAborted()
        const room = tops[held ? set : 0]!.subarray(0, (bottom - top) * source.columns)
        if (fresh || !held) await fillRows(source, top, bottom, room)
        const upper = matrix(bottom - top, source.columns, room)
        const other =
          left === top
            ? upper
            : matrix(right - left, source.columns, await fillRows(source, left, right, beside.subarray(0, (right - left) * source.columns)))
        for (const tile of tiles) {
          const at = count * tile.start + set * tile.cells
          const gram = await product(rowsOf(upper, tile.rows), rowsOf(other, tile.columns), 'nt', grams.subarray(at, at + tile.cells))
          if (tile.diagonal) takeDiagonal(gram, squares[set]!.subarray(top + tile.rows[0], top + tile.rows[1]))
        }
      }
      fresh = false
      for (const { start, cells, diagonal } of tiles) {
        const all = matrix(count, cells, grams.subarray(count * start, count * (start + cells)))
        // Tiles beside the diagonal stand for their mirror images too.
        await addPairs(off, all, diagonal ? 1 : 2, product)
      }
      await onBlock?.({ size, done: block, off, squares })
      onProgress?.(block, total)
    }
  }
  return { off, squares }
}

/** A product of some rows of a block's upper set with some of its left one. */
interface Tile {
  readonly rows: readonly [number, number]
  readonly columns: readonly [number, number]
  /** Numbers of it, and of all tiles before. */
  readonly cells: number
  readonly start: number
  readonly diagonal: boolean
}

const wholeTile = (rows: number, columns: number): Tile => ({
  rows: [0, rows],
  columns: [0, columns],
  cells: rows * columns,
  start: 0,
  diagonal: false,
})

/** The upper half of a block on the diagonal, whose lower half is the same. */
function diagonalTiles(size: number): Tile[] {
  const side = Math.ceil(size / Math.min(mostSideTiles, Math.max(1, Math.floor(size / fewestTileRows))))
  const tiles: Tile[] = []
  let start = 0
  for (let top = 0; top < size; top += side) {
    for (let left = top; left < size; left += side) {
      const [bottom, right] = [Math.min(size, top + side), Math.min(size, left + side)]
      const cells = (bottom - top) * (right - left)
      tiles.push({ rows: [top, bottom], columns: [left, right], cells, start, diagonal: left === top })
      start += cells
    }
  }
  return tiles
}

/** Some rows of a matrix, in place. */
const rowsOf = ({ columns, data }: Matrix, [start, end]: readonly [number, number]): Matrix =>
  matrix(end - start, columns, data.subarray(start * columns, end * columns))

/** Adds the inner products of all pairs of rows. */
async function addPairs(off: Float64Array, all: Matrix, scale: number, product: MatrixProduct): Promise<void> {
  const { rows, columns, data } = all
  if (rows > fewSets) return addScaled(off, (await product(all, all, 'nt')).data, scale)
  for (let a = 0; a < rows; a++) {
    for (let b = a; b < rows; b++) {
      off[a * rows + b]! +=
        scale * innerProduct(data.subarray(a * columns, (a + 1) * columns), data.subarray(b * columns, (b + 1) * columns))
    }
  }
}

/** Four sums at once, which a processor adds side by side. */
function innerProduct(a: Float64Array, b: Float64Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let i = 0
  for (; i + 4 <= a.length; i += 4) {
    s0 += a[i]! * b[i]!
    s1 += a[i + 1]! * b[i + 1]!
    s2 += a[i + 2]! * b[i + 2]!
    s3 += a[i + 3]! * b[i + 3]!
  }
  for (; i < a.length; i++) s0 += a[i]! * b[i]!
  return s0 + s1 + (s2 + s3)
}

/** Moves the diagonal out of a block, leaving zeros. */
function takeDiagonal({ rows, columns, data }: Matrix, target: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    target[i] = data[i * columns + i]!
    data[i * columns + i] = 0
  }
}

export function addScaled(target: Float64Array, values: Float64Array, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += scale * values[i]!
}
