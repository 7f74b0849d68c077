import { dot, type Matrix, matrix, rowOf, transpose } from '../matrix/matrix.js'
import { leftSingularVectors, qr, singularValues, type SingularVectors } from '../matrix/svd.js'

/** Singular values below this share of the largest are none. */
const rankTolerance = 1e-10
/** Share of the variance that SVCCA keeps (Raghu et al. 2017). */
export const svccaShare = 0.99

/** A centred set, and an orthonormal basis of its columns. */
export interface CcaSet {
  /** rows x columns, columns of mean 0. */
  readonly values: Matrix
  /** One direction a row, most variance first. */
  readonly basis: SingularVectors
  /** Directions with variance. */
  readonly rank: number
  /** Fewest directions that hold 99% of the variance. */
  readonly kept: number
}

/** Prepares a centred set for `cca`, `svcca` and `pwcca`. */
export function ccaSet(values: Matrix): CcaSet {
  const basis = leftSingularVectors(values)
  const largest = basis.values[0] ?? 0
  const rank = largest === 0 ? 0 : basis.values.filter(value => value > rankTolerance * largest).length
  const total = basis.values.reduce((sum, value) => sum + value * value, 0)
  let kept = 0
  for (let sum = 0; kept < rank && sum < svccaShare * total; kept++) sum += basis.values[kept]! ** 2
  return { values, basis, rank, kept }
}

const directions = ({ basis }: CcaSet, count: number): Matrix =>
  matrix(count, basis.left.columns, basis.left.data.subarray(0, count * basis.left.columns))

/** Inner products of two sets of directions, a x b. */
function overlap(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.rows, b.rows)
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < b.rows; j++) result.data[i * b.rows + j] = dot(rowOf(a, i), rowOf(b, j))
  return result
}

const atMostOne = (value: number): number => Math.min(1, value)
const mean = (values: Float64Array): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** Mean correlation of two sets cut to 99% of their variance; null where a set does not vary. */
export function svcca(x: CcaSet, y: CcaSet): { readonly mean: number | null; readonly kept: readonly [number, number] } {
  const correlations = singularValues(overlap(directions(x, x.kept), directions(y, y.kept))).map(atMostOne)
  return { mean: mean(correlations), kept: [x.kept, y.kept] }
}

/** Canonical correlations. */
export interface Cca {
  readonly mean: number | null
  readonly meanSquared: number | null
  readonly first: number | null
  readonly ranks: readonly [number, number]
  /** Projection-weighted means (Morcos et al. 2018), with weights of either set: not symmetric. */
  readonly pwcca: { readonly fromX: number | null; readonly fromY: number | null }
}

/**
 * Canonical correlation analysis of two sets of the same rows.
 * @returns null where a set has as many columns as rows or more: the correlations are then 1 for anything
 */
export function cca(x: CcaSet, y: CcaSet): Cca | null {
  const { rows } = x.values
  if (x.values.columns >= rows || y.values.columns >= rows) return null
  const [a, b] = [directions(x, x.rank), directions(y, y.rank)]
  const shared = overlap(a, b)
  const fromX = weighted(x, a, shared)
  const fromY = weighted(y, b, transpose(shared))
  const { correlations } = fromX
  return {
    mean: mean(correlations),
    meanSquared: mean(correlations.map(value => value * value)),
    first: correlations[0] ?? null,
    ranks: [x.rank, y.rank],
    pwcca: { fromX: fromX.mean, fromY: fromY.mean },
  }
}

/** Correlations, and their mean with the weights sum_j |h_i . x_j| of the canonical variates h of one set and its columns x. */
function weighted({ values }: CcaSet, basis: Matrix, shared: Matrix): { correlations: Float64Array; mean: number | null } {
  const { left, values: singular } = leftSingularVectors(shared)
  const correlations = singular.map(atMostOne)
  const columns = transpose(values)
  let [sum, weights] = [0, 0]
  for (let i = 0; i < correlations.length; i++) {
    const variate = new Float64Array(basis.columns)
    for (let k = 0; k < basis.rows; k++) {
      const share = left.data[i * left.columns + k]!
      for (let row = 0; row < variate.length; row++) variate[row]! += share * basis.data[k * basis.columns + row]!
    }
    let weight = 0
    for (let j = 0; j < columns.rows; j++) weight += Math.abs(dot(variate, rowOf(columns, j)))
    sum += weight * correlations[i]!
    weights += weight
  }
  return { correlations, mean: weights === 0 ? null : sum / weights }
}

/** Orthogonal Procrustes distance of two sets, each centred and of Frobenius norm 1. */
export interface Procrustes {
  /** Sum of the singular values of X'Y. */
  readonly nuclear: number
  /** 2 - 2 nuclear (Ding et al. 2021). */
  readonly squaredDistance: number
  /** arccos nuclear, in radians (Williams et al. 2021). */
  readonly angle: number
}

/** A centred set as its triangle: X X' is kept, with at most as many columns as rows. */
export function procrustesSet(values: Matrix): Matrix | null {
  const norm = Math.sqrt(dot(values.data, values.data))
  if (norm === 0) return null
  const scaled = matrix(
    values.rows,
    values.columns,
    values.data.map(value => value / norm),
  )
  // X = R' Q', and the singular values of X'Y do not depend on Q.
  return values.columns <= values.rows ? scaled : qr(transpose(scaled)).triangle
}

/** The distance of two sets; null where one of them does not vary. */
export function procrustes(x: Matrix | null, y: Matrix | null): Procrustes | null {
  if (x === null || y === null) return null
  const nuclear = Math.min(
    1,
    singularValues(overlap(transpose(x), transpose(y))).reduce((sum, value) => sum + value, 0),
  )
  return { nuclear, squaredDistance: 2 - 2 * nuclear, angle: Math.acos(nuclear) }
}
