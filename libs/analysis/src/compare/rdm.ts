import { createHash } from 'node:crypto'
import { columnMeans, exactShifts, normalizeRows, rowNorm, subtractRow } from '../matrix/columns.js'
import { type Matrix, matrix, type MatrixProduct } from '../matrix/matrix.js'
import { rowBlockBytes, mappedSource, rowsABlock, type RowSource } from '../matrix/row-source.js'

/** Dissimilarities of two rows: 1 - Pearson's r, 1 - cosine, Euclidean distance, its square. */
export const dissimilarities = ['pearson', 'cosine', 'euclidean', 'sqeuclidean'] as const
export type Dissimilarity = (typeof dissimilarities)[number]

/**
 * Largest difference of dissimilarities that are equal but for rounding. One minus a correlation is as exact as 1 is: of rows of small
 * integers, equal ones come out some 1e-16 apart, which rank correlations would take for an order. Distances of such rows are exact.
 */
export const dissimilarityTies = (kind: Dissimilarity): number => (kind === 'pearson' || kind === 'cosine' ? 1e-14 : 0)

/** A representational dissimilarity matrix (Kriegeskorte et al. 2008). */
export interface Rdm {
  /** Rows and columns. */
  readonly size: number
  /** The upper triangle: (0,1), (0,2) ... (n-2, n-1). Finite. */
  readonly values: Float64Array
  /** Rows that have no direction (constant for Pearson, zero for cosine): 1 from every other row. */
  readonly undefinedRows: readonly number[]
}

/** Pairs of n rows. */
export const pairCount = (rows: number): number => (rows * (rows - 1)) / 2

/** Place of the pair (i, j), i < j, in the upper triangle of n rows. */
export const pairAt = (i: number, j: number, rows: number): number => i * rows - (i * (i + 1)) / 2 + j - i - 1

/** Below this share of the rows' squared lengths a squared distance is taken from the rows themselves: the product has lost its digits. */
const near = 1e-5

/** Rows to unit vectors, for which half the squared distance is 1 - cosine; names those that have no direction. */
function unitRows(source: RowSource, centre: boolean, without: Set<number>): RowSource {
  const { columns } = source
  return mappedSource(source, (values, start) => {
    for (let from = 0, row = start; from < values.length; from += columns, row++) {
      const cells = values.subarray(from, from + columns)
      if (!centre) {
        if (rowNorm(cells, 0, columns) === 0) without.add(row)
        continue
      }
      const first = cells[0]!
      if (cells.every(value => value === first)) {
        without.add(row)
        cells.fill(0)
        continue
      }
      centreCells(cells, first)
    }
    normalizeRows(values, columns)
  })
}

/** Subtracts the mean, twice: the second time what rounding left. */
function centreCells(cells: Float64Array, first: number): void {
  let shift = first
  for (let pass = 0; pass < 2; pass++) {
    let sum = 0
    for (let k = 0; k < cells.length; k++) {
      cells[k]! -= shift
      sum += cells[k]!
    }
    shift = sum / cells.length
  }
  for (let k = 0; k < cells.length; k++) cells[k]! -= shift
}

/** The squared distance of two rows, from their differences. */
function differences(a: Float64Array, aStart: number, b: Float64Array, bStart: number, columns: number): number {
  let sum = 0
  for (let k = 0; k < columns; k++) {
    const difference = a[aStart + k]! - b[bStart + k]!
    sum += difference * difference
  }
  return sum
}

function squaredNorms({ rows, columns, data }: Matrix): Float64Array {
  const norms = new Float64Array(rows)
  for (let i = 0, at = 0; i < rows; i++) {
    let sum = 0
    for (let k = 0; k < columns; k++, at++) sum += data[at]! * data[at]!
    norms[i] = sum
  }
  return norms
}

export interface RdmOptions {
  readonly product: MatrixProduct
  readonly blockBytes?: number
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/**
 * The dissimilarities of all pairs of rows, in float64 by blocks of rows. Columns are centred before products (for Pearson and cosine those
 * of the unit vectors, whose half squared distance is the dissimilarity), and near pairs are computed from differences: an offset of the
 * features does not cost digits, and equal rows are exactly 0 apart.
 */
export async function computeRdm(source: RowSource, kind: Dissimilarity, options: RdmOptions): Promise<Rdm> {
  const { product, blockBytes = rowBlockBytes, onProgress, signal } = options
  const { rows, columns } = source
  const without = new Set<number>()
  const directed = kind === 'pearson' || kind === 'cosine'
  const prepared = directed ? unitRows(source, kind === 'pearson', without) : source
  const shifts = await (directed ? columnMeans(prepared) : exactShifts(source))
  const centredRows = mappedSource(prepared, values => void subtractRow(values, shifts))
  const values = new Float64Array(pairCount(rows))
  const size = rowsABlock(columns, blockBytes)
  const finish = finisher(kind)
  const twins = new Map<number, number>()
  const firstOf = new Map<string, number>()
  for (let top = 0; top < rows; top += size) {
    const upper = await blockOf(centredRows, top, size)
    findTwins(upper.block, top, firstOf, twins)
    for (let left = top; left < rows; left += size) {
      signal?.throwIfAborted()
      const other = left === top ? upper : await blockOf(centredRows, left, size)
      const products = await product(upper.block, other.block, 'nt')
      for (let i = 0; i < upper.block.rows; i++) {
        for (let j = left === top ? i + 1 : 0; j < other.block.rows; j++) {
          const lengths = upper.norms[i]! + other.norms[j]!
          let square = lengths - 2 * products.data[i * other.block.rows + j]!
          if (square <= near * lengths) square = differences(upper.block.data, i * columns, other.block.data, j * columns, columns)
          values[pairAt(top + i, left + j, rows)] = finish(square)
        }
      }
    }
    onProgress?.(Math.min(rows, top + size), rows)
  }
  nameUndefined(values, without, rows)
  copyTwins(values, twins, rows)
  return { size: rows, values, undefinedRows: [...without].sort((a, b) => a - b) }
}

async function blockOf(source: RowSource, start: number, size: number): Promise<{ block: Matrix; norms: Float64Array }> {
  const end = Math.min(source.rows, start + size)
  const block = matrix(end - start, source.columns, await source.read(start, end))
  return { block, norms: squaredNorms(block) }
}

function finisher(kind: Dissimilarity): (square: number) => number {
  if (kind === 'sqeuclidean') return square => square
  return kind === 'euclidean' ? Math.sqrt : square => square / 2
}

/** A row without direction has no correlation with any other: 1 apart, as scikit-learn's cosine distances have it. */
function nameUndefined(values: Float64Array, without: ReadonlySet<number>, rows: number): void {
  for (const row of without) {
    for (let other = 0; other < rows; other++) {
      if (other !== row) values[pairAt(Math.min(row, other), Math.max(row, other), rows)] = 1
    }
  }
}

/** Rows that are equal to an earlier one, by their hashes. */
function findTwins({ rows, columns, data }: Matrix, start: number, firstOf: Map<string, number>, twins: Map<number, number>): void {
  for (let i = 0; i < rows; i++) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset + 8 * i * columns, 8 * columns)
    const hash = createHash('sha256').update(bytes).digest('base64')
    const first = firstOf.get(hash)
    if (first === undefined) firstOf.set(hash, start + i)
    else twins.set(start + i, first)
  }
}

/** Equal rows are equally far from any other, also where a fast product rounds by the place in its block: ties decide rank correlations. */
function copyTwins(values: Float64Array, twins: ReadonlyMap<number, number>, rows: number): void {
  const place = (a: number, b: number): number => pairAt(Math.min(a, b), Math.max(a, b), rows)
  for (const [twin, first] of twins) {
    for (let other = 0; other < rows; other++) {
      if (other !== twin && other !== first) values[place(twin, other)] = values[place(first, other)]!
    }
  }
}

/** The whole matrix of an upper triangle, n x n, with zeros on the diagonal. */
export function squareRdm({ size, values }: Pick<Rdm, 'size' | 'values'>): Float64Array {
  const square = new Float64Array(size * size)
  for (let i = 0, at = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++, at++) {
      square[i * size + j] = values[at]!
      square[j * size + i] = values[at]!
    }
  }
  return square
}
