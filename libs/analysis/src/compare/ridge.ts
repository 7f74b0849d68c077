import { LayermillError, Random } from '@layermill/core'
import { columnMeans, subtractRow } from '../matrix/columns.js'
import { symmetricEigen } from '../matrix/eigen.js'
import { type Matrix, matrix, type MatrixProduct, rowOf, takeRows, transpose } from '../matrix/matrix.js'
import type { RowSource } from '../matrix/row-source.js'
import { pearson } from './rank.js'

/** Penalties where none are given, as shares of the sum of squares of the centred features, which no scale of theirs changes. */
export const penaltyShares: readonly number[] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]

export interface RidgeOptions {
  readonly product: MatrixProduct
  /** Parts of the rows, each predicted from the others: 2 to the number of rows. */
  readonly folds: number
  /** Of the order in which rows are dealt to folds. */
  readonly seed: string
  /** Penalties to choose from, absolute; default `penaltyShares` of each training part's sum of squares. */
  readonly penalties?: readonly number[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** How well held-out rows of targets are predicted. */
export interface Predictivity {
  /** Of each target: 1 - residual over total sum of squares of all held-out predictions; null where the target does not vary. */
  readonly r2: readonly (number | null)[]
  /** Of each target: correlation of held-out predictions and values; null where one of them does not vary. */
  readonly pearson: readonly (number | null)[]
  /** Chosen in each fold. */
  readonly penalties: readonly number[]
}

/** The fold of each row: rows in a seeded order, dealt in turn. */
export function ridgeFolds(rows: number, folds: number, seed: string): Uint32Array {
  const random = new Random(`ridge:${seed}`)
  const order = Uint32Array.from({ length: rows }, (_, i) => i)
  for (let i = rows - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const other = order[j]!
    order[j] = order[i]!
    order[i] = other
  }
  const found = new Uint32Array(rows)
  for (const [place, row] of order.entries()) found[row] = place % folds
  return found
}

function taken(x: Matrix, rows: readonly number[], means: Float64Array): Matrix {
  const part = takeRows(x, rows)
  subtractRow(part.data, means)
  return part
}

/** Thin singular form of centred rows: X = U diag(s) V'. */
interface Thin {
  /** One left singular vector a row. */
  readonly left: Matrix
  readonly squares: Float64Array
  /** Other rows times V, a row for each direction. */
  readonly project: (rows: Matrix) => Promise<Matrix>
}

/** Squares of singular values below this share of the largest are none. */
const floor = 1e-13

/** From the Gram matrix or the covariance, whichever is smaller. */
async function thinForm(x: Matrix, product: MatrixProduct): Promise<Thin> {
  const dual = x.rows <= x.columns
  const { values, vectors } = symmetricEigen(await product(x, x, dual ? 'nt' : 'tn'))
  let rank = 0
  while (rank < values.length && values[0]! > 0 && values[rank]! > floor * values[0]!) rank++
  const squares = values.slice(0, rank)
  const known = matrix(rank, dual ? x.rows : x.columns, vectors.slice(0, rank * (dual ? x.rows : x.columns)))
  const scaled = (of: Matrix): Matrix => {
    for (let k = 0; k < rank; k++) for (let i = 0; i < of.columns; i++) of.data[k * of.columns + i]! /= Math.sqrt(squares[k]!)
    return of
  }
  if (dual) return { left: known, squares, project: async rows => scaled(await product(known, await product(rows, x, 'nt'), 'nt')) }
  return { left: scaled(await product(known, x, 'nt')), squares, project: async rows => product(known, rows, 'nt') }
}

/** The penalty whose mean squared error of rows left out one at a time is the least; the first of equals. */
function bestPenalty({ left, squares }: Thin, loads: Matrix, y: Matrix, penalties: readonly number[]): number {
  const [n, targets] = [y.rows, y.columns]
  let [best, least] = [penalties[0]!, Infinity]
  for (const penalty of penalties) {
    const fitted = new Float64Array(n * targets)
    // The intercept, which has no penalty, takes 1/n of each row.
    const leverage = new Float64Array(n).fill(1 / n)
    for (let k = 0; k < left.rows; k++) {
      const kept = squares[k]! / (squares[k]! + penalty)
      const direction = rowOf(left, k)
      for (let i = 0; i < n; i++) {
        leverage[i]! += kept * direction[i]! ** 2
        for (let t = 0; t < targets; t++) fitted[i * targets + t]! += kept * direction[i]! * loads.data[k * targets + t]!
      }
    }
    let error = 0
    for (let i = 0; i < n; i++) {
      for (let t = 0; t < targets; t++) error += ((y.data[i * targets + t]! - fitted[i * targets + t]!) / (1 - leverage[i]!)) ** 2
    }
    if (error < least) [best, least] = [penalty, error]
  }
  return best
}

const sumOfSquares = ({ data }: Matrix): number => data.reduce((sum, value) => sum + value * value, 0)

/**
 * Linear predictivity: ridge regression from features to targets, each fold of the rows predicted by the others, an intercept without
 * penalty. In each fold the penalty is chosen by leave-one-out errors over the training rows and all targets, in closed form, as
 * scikit-learn's `RidgeCV` does. Features and Gram matrices of the training rows are in memory.
 *
 * @param source features
 * @param targets a row for each row of the features
 * @throws LayermillError `ROW_INVALID` where rows differ in number or there are fewer than 3, or than folds
 */
export async function ridgePredictivity(source: RowSource, targets: Matrix, options: RidgeOptions): Promise<Predictivity> {
  const { product, folds, seed, signal } = options
  const { rows } = source
  if (targets.rows !== rows) throw new LayermillError('ROW_INVALID', `${targets.rows} rows of targets for ${rows} rows of features`)
  if (rows < 3 || folds > rows) {
    throw new LayermillError('ROW_INVALID', `ridge regression in ${folds} folds of ${rows} rows, expected at least 3 rows and one a fold`)
  }
  const shift = await columnMeans(source)
  const features = matrix(rows, source.columns, subtractRow((await source.read(0, rows)).slice(), shift))
  const fold = ridgeFolds(rows, folds, seed)
  const predicted = matrix(rows, targets.columns)
  const chosen: number[] = []
  for (let current = 0; current < folds; current++) {
    signal?.throwIfAborted()
    const [inside, outside]: [number[], number[]] = [[], []]
    for (let i = 0; i < rows; i++) (fold[i] === current ? outside : inside).push(i)
    const [meanX, meanY] = [meansOf(features, inside), meansOf(targets, inside)]
    const [x, y] = [taken(features, inside, meanX), taken(targets, inside, meanY)]
    const thin = await thinForm(x, product)
    const loads = await product(thin.left, y, 'nn')
    const total = sumOfSquares(x)
    const penalties = options.penalties ?? penaltyShares.map(share => share * (total > 0 ? total : 1))
    const penalty = bestPenalty(thin, loads, y, penalties)
    chosen.push(penalty)
    for (const [k, square] of thin.squares.entries()) {
      for (let t = 0; t < y.columns; t++) loads.data[k * y.columns + t]! *= Math.sqrt(square) / (square + penalty)
    }
    const found = await product(await thin.project(taken(features, outside, meanX)), loads, 'tn')
    for (const [i, row] of outside.entries()) {
      for (let t = 0; t < y.columns; t++) predicted.data[row * y.columns + t] = found.data[i * y.columns + t]! + meanY[t]!
    }
  }
  return { ...scored(targets, predicted), penalties: chosen }
}

function meansOf({ columns, data }: Matrix, rows: readonly number[]): Float64Array {
  const means = new Float64Array(columns)
  for (const row of rows) for (let j = 0; j < columns; j++) means[j]! += data[row * columns + j]! / rows.length
  return means
}

function scored(targets: Matrix, predicted: Matrix): Pick<Predictivity, 'r2' | 'pearson'> {
  const [values, guesses] = [transpose(targets), transpose(predicted)]
  const r2: (number | null)[] = []
  const correlations: (number | null)[] = []
  for (let t = 0; t < values.rows; t++) {
    const [y, guess] = [rowOf(values, t), rowOf(guesses, t)]
    const mean = y.reduce((sum, value) => sum + value, 0) / y.length
    const varies = y.some(value => value !== y[0])
    let [rest, total] = [0, 0]
    for (let i = 0; i < y.length; i++) {
      rest += (y[i]! - guess[i]!) ** 2
      total += (y[i]! - mean) ** 2
    }
    r2.push(varies ? 1 - rest / total : null)
    correlations.push(varies ? pearson(y, guess) : null)
  }
  return { r2, pearson: correlations }
}
