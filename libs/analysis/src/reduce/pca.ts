import { LayermillError } from '@layermill/core'
import { columnMeans, subtractRow } from '../matrix/columns.js'
import { symmetricEigen } from '../matrix/eigen.js'
import { type Matrix, matrix, type MatrixProduct, rowOf } from '../matrix/matrix.js'
import { mappedSource, rowBlocks, rowsABlock, type RowSource } from '../matrix/row-source.js'

/** Variance below this share of the first component's is none: such components are not kept, and not whitened. */
export const varianceFloor = 1e-12

/** Principal components of a sample. */
export interface Pca {
  /** One a column. */
  readonly mean: Float64Array
  /** One component a row, of length 1; its entry of largest magnitude (the first of equals) is positive. */
  readonly components: Matrix
  /** Of each component, over n - 1. Largest first. */
  readonly explainedVariance: Float64Array
  /** Of all columns, over n - 1. */
  readonly totalVariance: number
  /** Directions with variance: at most n - 1. */
  readonly rank: number
  /** Rows of the sample. */
  readonly sample: number
}

export interface PcaOptions {
  readonly product: MatrixProduct
  /** Most components; fewer where the sample has no more directions with variance. */
  readonly components: number
  readonly signal?: AbortSignal
}

/**
 * Principal components, from the covariance or the Gram matrix, whichever is smaller, of centred columns in float64 by blocks of rows. The
 * sign rule is scikit-learn's since 1.5, `svd_flip(u_based_decision=False)`.
 *
 * @throws LayermillError `ROW_INVALID` for fewer than two rows, or numbers that are not finite
 */
export async function fitPca(source: RowSource, { product, components, signal }: PcaOptions): Promise<Pca> {
  const { rows, columns } = source
  if (rows < 2) throw new LayermillError('ROW_INVALID', `principal components of ${rows} rows, expected at least 2`)
  const mean = await columnMeans(source)
  if (!mean.every(Number.isFinite)) throw new LayermillError('ROW_INVALID', 'principal components of rows with numbers that are not finite')
  const centredRows = mappedSource(source, values => void subtractRow(values, mean))
  signal?.throwIfAborted()
  const gram = rows <= columns
  const moments = gram ? await gramMatrix(centredRows, product, signal) : await covariance(centredRows, product, signal)
  const eigen = symmetricEigen(moments)
  signal?.throwIfAborted()
  const largest = eigen.values[0] ?? 0
  const most = Math.min(rows - 1, columns)
  let rank = 0
  while (rank < most && largest > 0 && eigen.values[rank]! > varianceFloor * largest) rank++
  const kept = Math.min(components, rank)
  const vectors = matrix(kept, moments.rows, eigen.vectors.slice(0, kept * moments.rows))
  const directions = gram ? await fromGram(centredRows, vectors, product) : vectors
  for (let i = 0; i < kept; i++) fixSign(rowOf(directions, i))
  let totalVariance = 0
  for (let i = 0; i < moments.rows; i++) totalVariance += moments.data[i * moments.rows + i]! / (rows - 1)
  return {
    mean,
    components: directions,
    explainedVariance: eigen.values.slice(0, kept).map(value => value / (rows - 1)),
    totalVariance,
    rank,
    sample: rows,
  }
}

async function covariance(source: RowSource, product: MatrixProduct, signal?: AbortSignal): Promise<Matrix> {
  const sums = matrix(source.columns, source.columns)
  for await (const { values, count } of rowBlocks(source)) {
    signal?.throwIfAborted()
    const block = matrix(count, source.columns, values)
    const { data } = await product(block, block, 'tn')
    for (let i = 0; i < data.length; i++) sums.data[i]! += data[i]!
  }
  return sums
}

async function gramMatrix(source: RowSource, product: MatrixProduct, signal?: AbortSignal): Promise<Matrix> {
  const { rows, columns } = source
  const gram = matrix(rows, rows)
  const size = rowsABlock(columns)
  for (let top = 0; top < rows; top += size) {
    const upper = matrix(Math.min(size, rows - top), columns, await source.read(top, Math.min(rows, top + size)))
    for (let left = 0; left <= top; left += size) {
      signal?.throwIfAborted()
      const other = left === top ? upper : matrix(size, columns, await source.read(left, left + size))
      const { data } = await product(upper, other, 'nt')
      for (let i = 0; i < upper.rows; i++) {
        for (let j = 0; j < other.rows; j++) {
          gram.data[(top + i) * rows + left + j] = data[i * other.rows + j]!
          gram.data[(left + j) * rows + top + i] = data[i * other.rows + j]!
        }
      }
    }
  }
  return gram
}

/** Directions in columns of eigenvectors in rows: u X, made of length 1. */
async function fromGram(source: RowSource, vectors: Matrix, product: MatrixProduct): Promise<Matrix> {
  const directions = matrix(vectors.rows, source.columns)
  for await (const { start, count, values } of rowBlocks(source)) {
    const part = matrix(vectors.rows, count)
    for (let i = 0; i < vectors.rows; i++) rowOf(part, i).set(rowOf(vectors, i).subarray(start, start + count))
    const { data } = await product(part, matrix(count, source.columns, values), 'nn')
    for (let i = 0; i < data.length; i++) directions.data[i]! += data[i]!
  }
  for (let i = 0; i < directions.rows; i++) {
    const row = rowOf(directions, i)
    let square = 0
    for (let j = 0; j < row.length; j++) square += row[j]! * row[j]!
    const norm = Math.sqrt(square)
    for (let j = 0; j < row.length; j++) row[j]! /= norm
  }
  return directions
}

function fixSign(row: Float64Array): void {
  let largest = 0
  for (let j = 1; j < row.length; j++) if (Math.abs(row[j]!) > Math.abs(row[largest]!)) largest = j
  if ((row[largest] ?? 0) < 0) for (let j = 0; j < row.length; j++) row[j] = -row[j]!
}

/** Places of rows on the components of a fit. */
export interface PcaProjector {
  /** `count` rows, one behind the other, to `count` times as many numbers as there are components. */
  project(values: Float64Array, count: number): Promise<Float64Array>
}

/**
 * Projects rows on principal components; whitened, each is divided by its standard deviation. Components without variance are left at zero.
 */
export function pcaProjector(
  fit: Pick<Pca, 'mean' | 'components' | 'explainedVariance'>,
  product: MatrixProduct,
  whiten = false,
): PcaProjector {
  const { mean, components, explainedVariance } = fit
  const floor = varianceFloor * (explainedVariance[0] ?? 0)
  const scales = explainedVariance.map(variance => (whiten ? (variance > floor ? 1 / Math.sqrt(variance) : 0) : 1))
  return {
    project: async (values, count) => {
      const centredRows = subtractRow(values.slice(), mean)
      const { data } = await product(matrix(count, mean.length, centredRows), components, 'nt')
      for (let at = 0; at < data.length;) for (let k = 0; k < scales.length; k++) data[at++]! *= scales[k]!
      return data
    },
  }
}

/**
 * Whitens rows without turning them (ZCA, Bell and Sejnowski 1997): c V' diag(1 / sqrt(lambda + epsilon)) V.
 * @param fit with all components of numerical rank
 */
export async function zcaWhiten(
  fit: Pca,
  values: Float64Array,
  count: number,
  product: MatrixProduct,
  epsilon = 1e-5,
): Promise<Float64Array> {
  const { data } = await product(matrix(count, fit.mean.length, subtractRow(values.slice(), fit.mean)), fit.components, 'nt')
  for (let at = 0; at < data.length;) {
    for (let k = 0; k < fit.explainedVariance.length; k++) data[at++]! /= Math.sqrt(fit.explainedVariance[k]! + epsilon)
  }
  return (await product(matrix(count, fit.components.rows, data), fit.components, 'nn')).data
}
