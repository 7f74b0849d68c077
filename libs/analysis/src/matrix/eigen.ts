import { LayermillError } from '@layermill/core'
import type { Matrix } from './matrix.js'

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array
  /** One eigenvector a row, of length 1, in the order of the values. */
  readonly vectors: Float64Array
}

/** Rounds of the QL iteration for one value; a few are usual. */
const mostRounds = 60

/**
 * Householder's reduction of the symmetric `a` (n x n, overwritten) to a tridiagonal matrix Q' a Q (Martin, Reinsch and Wilkinson 1968).
 * `a` becomes Q' with a row for each column of Q; only the lower triangle is read.
 */
function tridiagonalize(a: Float64Array, n: number, diagonal: Float64Array, below: Float64Array): void {
  for (let i = n - 1; i > 0; i--) {
    const row = a.subarray(i * n, i * n + i)
    let scale = 0
    for (let k = 0; k < i; k++) scale += Math.abs(row[k]!)
    if (i === 1 || scale === 0) {
      below[i] = row[i - 1]!
      diagonal[i] = 0
      continue
    }
    let h = 0
    for (let k = 0; k < i; k++) {
      row[k]! /= scale
      h += row[k]! ** 2
    }
    const f = row[i - 1]!
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h)
    below[i] = scale * g
    h -= f * g
    row[i - 1] = f - g
    reduceStep(a, n, i, row, h, below)
    diagonal[i] = h
  }
  diagonal[0] = 0
  below[0] = 0
  accumulate(a, n, diagonal)
}

/** p = A u / h, K = u'p / 2h, q = p - K u, A -= u q' + q u', all on the lower triangle of the leading i x i block. */
function reduceStep(a: Float64Array, n: number, i: number, u: Float64Array, h: number, below: Float64Array): void {
  const p = below.subarray(0, i)
  p.fill(0)
  for (let j = 0; j < i; j++) {
    const start = j * n
    const uj = u[j]!
    let sum = a[start + j]! * uj
    for (let k = 0; k < j; k++) {
      const value = a[start + k]!
      sum += value * u[k]!
      p[k]! += value * uj
    }
    p[j]! += sum
  }
  let along = 0
  for (let j = 0; j < i; j++) {
    p[j]! /= h
    along += p[j]! * u[j]!
  }
  const half = along / (h + h)
  for (let j = 0; j < i; j++) p[j]! -= half * u[j]!
  for (let j = 0; j < i; j++) {
    const start = j * n
    const uj = u[j]!
    const qj = p[j]!
    for (let k = 0; k <= j; k++) a[start + k]! -= uj * p[k]! + qj * u[k]!
  }
}

/** Multiplies the reflections out, Q' row by row; puts the diagonal into its place. */
function accumulate(a: Float64Array, n: number, diagonal: Float64Array): void {
  for (let i = 0; i < n; i++) {
    const h = diagonal[i]!
    const u = a.slice(i * n, i * n + i)
    if (i > 0 && h !== 0) {
      // The leading block holds Q' of the smaller problem, one column of Q a row.
      for (let j = 0; j < i; j++) {
        const row = a.subarray(j * n, j * n + i)
        let g = 0
        for (let k = 0; k < i; k++) g += u[k]! * row[k]!
        g /= h
        for (let k = 0; k < i; k++) row[k]! -= g * u[k]!
      }
    }
    diagonal[i] = a[i * n + i]!
    a[i * n + i] = 1
    for (let j = 0; j < i; j++) {
      a[i * n + j] = 0
      a[j * n + i] = 0
    }
  }
}

/** Implicit QL with Wilkinson's shifts (Dubrulle, Martin and Wilkinson 1968); rows of `q` are rotated along. */
function iterateQl(q: Float64Array, n: number, d: Float64Array, e: Float64Array): void {
  for (let i = 1; i < n; i++) e[i - 1] = e[i]!
  e[n - 1] = 0
  for (let l = 0; l < n; l++) {
    for (let rounds = 0; ; rounds++) {
      let m = l
      for (; m < n - 1; m++) {
        const size = Math.abs(d[m]!) + Math.abs(d[m + 1]!)
        if (Math.abs(e[m]!) <= Number.EPSILON * size) break
      }
      if (m === l) break
      if (rounds === mostRounds)
        throw new LayermillError('ROW_INVALID', 'eigenvalues do not converge: the matrix has numbers that are not finite')
      sweepQl(q, n, d, e, l, m)
    }
  }
}

function sweepQl(q: Float64Array, n: number, d: Float64Array, e: Float64Array, l: number, m: number): void {
  let g = (d[l + 1]! - d[l]!) / (2 * e[l]!)
  let r = Math.hypot(g, 1)
  g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r))
  let [s, c, p] = [1, 1, 0]
  let i = m - 1
  for (; i >= l; i--) {
    const f = s * e[i]!
    const b = c * e[i]!
    r = Math.hypot(f, g)
    e[i + 1] = r
    if (r === 0) {
      d[i + 1]! -= p
      e[m] = 0
      break
    }
    s = f / r
    c = g / r
    g = d[i + 1]! - p
    r = (d[i]! - g) * s + 2 * c * b
    p = s * r
    d[i + 1] = g + p
    g = c * r - b
    rotate(q, i * n, (i + 1) * n, n, c, s)
  }
  if (r === 0 && i >= l) return
  d[l]! -= p
  e[l] = g
  e[m] = 0
}

function rotate(q: Float64Array, low: number, high: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const f = q[high + k]!
    const g = q[low + k]!
    q[high + k] = s * g + c * f
    q[low + k] = c * g - s * f
  }
}

/**
 * All eigenvalues and eigenvectors of a symmetric matrix, of which the lower triangle is read. Errors are a few units in the last place of
 * the largest value.
 *
 * @throws LayermillError `ROW_INVALID` where the matrix is not square or has numbers that are not finite
 */
export function symmetricEigen({ rows: n, columns, data }: Matrix): Eigen {
  if (n !== columns) throw new LayermillError('ROW_INVALID', `eigenvalues of a matrix of ${n} x ${columns}, expected a square one`)
  const q = data.slice()
  const d = new Float64Array(n)
  const e = new Float64Array(n)
  if (n > 0) {
    tridiagonalize(q, n, d, e)
    iterateQl(q, n, d, e)
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => d[b]! - d[a]! || a - b)
  const vectors = new Float64Array(n * n)
  for (const [to, from] of order.entries()) vectors.set(q.subarray(from * n, (from + 1) * n), to * n)
  return { values: Float64Array.from(order, from => d[from]!), vectors }
}
