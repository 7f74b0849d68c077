import { dot, type Matrix, matrix, rowOf, transpose } from './matrix.js'

/** Sweeps of Jacobi's method; seven or eight are usual. */
const mostSweeps = 40

export interface SingularVectors {
  /** Largest first, as many as the smaller side of the matrix. */
  readonly values: Float64Array
  /** One left singular vector a row, in the order of the values. Zeros where the value is 0. */
  readonly left: Matrix
}

/**
 * Rotates rows until they are orthogonal (one-sided Jacobi, Hestenes 1958): their lengths are then the singular values of the matrix, small
 * ones to the same relative precision as large ones.
 */
function orthogonalizeRows({ rows, columns, data }: Matrix): void {
  const squares = new Float64Array(rows)
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    for (let i = 0; i < rows; i++)
      squares[i] = dot(data.subarray(i * columns, (i + 1) * columns), data.subarray(i * columns, (i + 1) * columns))
    let turned = 0
    for (let i = 0; i < rows - 1; i++) {
      for (let j = i + 1; j < rows; j++) if (turnPair(data, columns, i, j, squares)) turned++
    }
    if (turned === 0) return
  }
}

function turnPair(data: Float64Array, columns: number, i: number, j: number, squares: Float64Array): boolean {
  const first = i * columns
  const second = j * columns
  let product = 0
  for (let k = 0; k < columns; k++) product += data[first + k]! * data[second + k]!
  const [a, b] = [squares[i]!, squares[j]!]
  if (product === 0 || Math.abs(product) <= 4 * Number.EPSILON * Math.sqrt(a) * Math.sqrt(b)) return false
  const zeta = (b - a) / (2 * product)
  const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(1, zeta))
  const c = 1 / Math.hypot(1, t)
  const s = c * t
  for (let k = 0; k < columns; k++) {
    const x = data[first + k]!
    const y = data[second + k]!
    data[first + k] = c * x - s * y
    data[second + k] = s * x + c * y
  }
  squares[i] = a - t * product
  squares[j] = b + t * product
  return true
}

export interface Reduction {
  /** Orthonormal rows, `min(rows, columns)` of length `rows`, so that the matrix is their transpose times the triangle. */
  readonly basis: Matrix
  /** The columns of the triangle as rows. */
  readonly triangle: Matrix
}

/**
 * Householder's QR of a matrix with at least as many rows as columns, without pivoting.
 * @param x rows x columns
 */
export function qr(x: Matrix): Reduction {
  const { columns } = x
  const work = transpose(x)
  const scales = new Float64Array(columns)
  // Beside the reflections, which lie where its columns were.
  const diagonal = new Float64Array(columns)
  for (let k = 0; k < columns; k++) {
    const column = rowOf(work, k)
    const v = column.subarray(k)
    const norm = Math.sqrt(dot(v, v))
    if (norm === 0) continue
    const alpha = v[0]! > 0 ? -norm : norm
    v[0]! -= alpha
    const beta = dot(v, v)
    scales[k] = beta === 0 ? 0 : 2 / beta
    for (let j = k + 1; j < columns; j++) reflect(rowOf(work, j).subarray(k), v, scales[k]!)
    diagonal[k] = alpha
  }
  return formFactors(work, scales, diagonal)
}

function reflect(target: Float64Array, v: Float64Array, scale: number): void {
  const along = scale * dot(v, target)
  if (along === 0) return
  for (let i = 0; i < v.length; i++) target[i]! -= along * v[i]!
}

function formFactors(work: Matrix, scales: Float64Array, diagonal: Float64Array): Reduction {
  const { rows: columns, columns: rows } = work
  const triangle = matrix(columns, columns)
  for (let j = 0; j < columns; j++) {
    for (let i = 0; i < j; i++) triangle.data[j * columns + i] = work.data[j * rows + i]!
    triangle.data[j * columns + j] = diagonal[j]!
  }
  const basis = matrix(columns, rows)
  for (let j = 0; j < columns; j++) {
    const target = rowOf(basis, j)
    target[j] = 1
    for (let k = columns - 1; k >= 0; k--) {
      if (scales[k] !== 0) reflect(target.subarray(k), rowOf(work, k).subarray(k), scales[k]!)
    }
  }
  return { basis, triangle }
}

/** Orthogonal rows to singular values and unit rows, largest first. */
function sorted(rowsOfProduct: Matrix): SingularVectors {
  const { rows, columns } = rowsOfProduct
  const norms = Float64Array.from({ length: rows }, (_, i) => Math.sqrt(dot(rowOf(rowsOfProduct, i), rowOf(rowsOfProduct, i))))
  const order = Array.from(norms.keys()).sort((a, b) => norms[b]! - norms[a]! || a - b)
  const left = matrix(rows, columns)
  for (const [to, from] of order.entries()) {
    const norm = norms[from]!
    if (norm > 0) rowOf(left, to).set(rowOf(rowsOfProduct, from).map(value => value / norm))
  }
  return { values: Float64Array.from(order, from => norms[from]!), left }
}

/**
 * Singular values and left singular vectors. The longer side is first cut to the shorter by QR, then rotated by Jacobi's method: values of
 * 1e-12 of the largest are right to some digits, which eigenvalues of the covariance would not be.
 *
 * @param x rows x columns
 */
export function leftSingularVectors(x: Matrix): SingularVectors {
  if (x.rows >= x.columns) {
    const { basis, triangle } = qr(x)
    // X = Q R: columns of R, turned until they are orthogonal, are the left vectors of R times the values.
    orthogonalizeRows(triangle)
    const small = sorted(triangle)
    const left = matrix(x.columns, x.rows)
    for (let i = 0; i < x.columns; i++) {
      const target = rowOf(left, i)
      for (let k = 0; k < x.columns; k++) {
        const weight = small.left.data[i * x.columns + k]!
        if (weight !== 0) addScaled(target, rowOf(basis, k), weight)
      }
    }
    return { values: small.values, left }
  }
  // X' = Q R, X = R' Q': the left vectors of R' (n x n) are those of X. Columns of R' are rows of R.
  const turned = transpose(qr(transpose(x)).triangle)
  orthogonalizeRows(turned)
  return sorted(turned)
}

function addScaled(target: Float64Array, values: Float64Array, weight: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += weight * values[i]!
}

/** The singular values of a matrix, largest first. */
export function singularValues(x: Matrix): Float64Array {
  const tall = x.rows >= x.columns ? x : transpose(x)
  const { triangle } = qr(tall)
  orthogonalizeRows(triangle)
  return sorted(triangle).values
}
