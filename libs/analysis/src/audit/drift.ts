import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { Random } from '@layermill/core'
import { shuffled } from '../compare/rsa.js'
import { type Matrix, matrix, type MatrixProduct } from '../matrix/matrix.js'

/** A two-sample test. */
export interface TwoSampleTest {
  readonly statistic: number
  /** (1 + orders with at least the statistic) / (1 + orders) (Phipson and Smyth 2010). */
  readonly p: number
}

export interface MmdOptions {
  readonly product: MatrixProduct
  readonly permutations: number
  readonly seed: string
}

/** The Gaussian kernel of all rows, 2 sigma^2 being the median of the squared distances of pairs. Zeros on the diagonal. */
async function kernelOf(x: Matrix, product: MatrixProduct): Promise<Float64Array> {
  const { rows: n, columns } = x
  const means = new Float64Array(columns)
  for (let at = 0; at < x.data.length; at++) means[at % columns]! += x.data[at]! / n
  const centred = matrix(
    n,
    columns,
    x.data.map((value, at) => value - means[at % columns]!),
  )
  const gram = (await product(centred, centred, 'nt')).data
  const pairs = new Float64Array((n * (n - 1)) / 2)
  const square = (i: number, j: number): number => Math.max(0, gram[i * n + i]! + gram[j * n + j]! - 2 * gram[i * n + j]!)
  for (let i = 0, at = 0; i < n; i++) for (let j = i + 1; j < n; j++) pairs[at++] = square(i, j)
  const sorted = pairs.slice().sort()
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  const kernel = new Float64Array(n * n)
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const value = median === 0 ? (pairs[at++] === 0 ? 1 : 0) : Math.exp(-pairs[at++]! / median)
      kernel[i * n + j] = value
      kernel[j * n + i] = value
    }
  }
  return kernel
}

/** Unbiased squared MMD (Gretton et al. 2012) of the rows that an order puts first and the rest. */
function mmdOf(kernel: Float64Array, order: Uint32Array, first: number): number {
  const n = order.length
  let [within, other, between] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const row = order[i]! * n
    for (let j = i + 1; j < n; j++) {
      const value = kernel[row + order[j]!]!
      if (j < first) within += value
      else if (i >= first) other += value
      else between += value
    }
  }
  const rest = n - first
  return (2 * within) / (first * (first - 1)) + (2 * other) / (rest * (rest - 1)) - (2 * between) / (first * rest)
}

/** Maximum mean discrepancy of two sets of rows with a permutation p-value. */
export async function mmdTest(a: Matrix, b: Matrix, { product, permutations, seed }: MmdOptions): Promise<TwoSampleTest> {
  const all = matrix(a.rows + b.rows, a.columns)
  all.data.set(a.data)
  all.data.set(b.data, a.data.length)
  const kernel = await kernelOf(all, product)
  const statistic = mmdOf(
    kernel,
    Uint32Array.from({ length: all.rows }, (_, i) => i),
    a.rows,
  )
  const random = new Random(`mmd:${seed}`)
  let larger = 0
  for (let draw = 0; draw < permutations; draw++) {
    if (mmdOf(kernel, shuffled(all.rows, random), a.rows) >= statistic) larger++
    if (draw % 16 === 15) await yieldToOthers()
  }
  return { statistic, p: (1 + larger) / (1 + permutations) }
}

/** Outcome of the drift test. */
export interface Drift {
  readonly raw: TwoSampleTest
  readonly standardized: TwoSampleTest
  /** Smaller p of both, doubled (Bonferroni). */
  readonly p: number
}

/**
 * Drift between a reference and new rows: MMD on the features as they are and divided by the deviations of training rows, since neither
 * alone sees every shift.
 *
 * @param deviations of the training rows' columns; 0 where a column does not vary
 */
export async function driftTest(reference: Matrix, fresh: Matrix, deviations: Float64Array, options: MmdOptions): Promise<Drift> {
  const scale = (x: Matrix): Matrix =>
    matrix(
      x.rows,
      x.columns,
      x.data.map((value, at) => value / (deviations[at % x.columns]! || 1)),
    )
  const raw = await mmdTest(reference, fresh, options)
  const standardized = await mmdTest(scale(reference), scale(fresh), { ...options, seed: `${options.seed}:standardized` })
  return { raw, standardized, p: Math.min(1, 2 * Math.min(raw.p, standardized.p)) }
}
