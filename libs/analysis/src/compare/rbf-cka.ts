import { ckaOf, fewestRows } from './cka.js'

/** CKA with a Gaussian kernel. Null where a set does not vary. */
export interface RbfCka {
  readonly biased: number | null
  readonly debiased: number | null
}

/**
 * The median of all n^2 squared distances, zeros of the diagonal among them, as Kornblith et al. take it for the bandwidth.
 * @param squares the upper triangle of squared distances of `rows` rows
 */
export function medianSquaredDistance(squares: Float64Array, rows: number): number {
  const sorted = squares.slice().sort()
  // n zeros first, then each pair twice.
  const at = (place: number): number => (place < rows ? 0 : sorted[(place - rows) >> 1]!)
  const all = rows * rows
  return all % 2 === 1 ? at((all - 1) / 2) : (at(all / 2 - 1) + at(all / 2)) / 2
}

/** A Gaussian kernel matrix without its diagonal of ones: the upper triangle, and the sum of each row. */
export interface GaussianKernel {
  readonly rows: number
  readonly values: Float64Array
  readonly sums: Float64Array
  /** Over all pairs, the diagonal left out. */
  readonly total: number
  /** Whether any two rows differ. */
  readonly varies: boolean
}

/**
 * exp(-d^2 / (2 f^2 M)) with M the median squared distance.
 * @param fraction f, the share of the median distance that is the bandwidth
 * @param median M; default: as `medianSquaredDistance`
 */
export function gaussianKernel(
  squares: Float64Array,
  rows: number,
  fraction: number,
  median: number = medianSquaredDistance(squares, rows),
): GaussianKernel {
  const values = new Float64Array(squares.length)
  const sums = new Float64Array(rows)
  // Kernel in the limit, as more than half of the distances are 0: 1 for equal rows, else 0.
  const scale = -1 / (2 * fraction * fraction * median)
  let varies = false
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++, at++) {
      const square = squares[at]!
      varies ||= square > 0
      const value = square === 0 ? 1 : Math.exp(square * scale)
      values[at] = value
      sums[i]! += value
      sums[j]! += value
    }
  }
  return { rows, values, sums, total: sums.reduce((all, value) => all + value, 0), varies }
}

/** HSIC_0 and HSIC_1 of two kernels, each entry centred before it is multiplied. */
function hsics(k: GaussianKernel, l: GaussianKernel): readonly [number, number] {
  const n = k.rows
  const means = ({ sums }: GaussianKernel): Float64Array => sums.map(value => (value + 1) / n)
  const [km, lm] = [means(k), means(l)]
  const [ka, la] = [(k.total + n) / (n * n), (l.total + n) / (n * n)]
  const unbiased = (total: number): number => total / ((n - 1) * (n - 2))
  const [ku, lu] = [unbiased(k.total), unbiased(l.total)]
  let [biased, debiased] = [0, 0]
  for (let i = 0, at = 0; i < n; i++) {
    biased += (1 - 2 * km[i]! + ka) * (1 - 2 * lm[i]! + la)
    for (let j = i + 1; j < n; j++, at++) {
      const [a, b] = [k.values[at]!, l.values[at]!]
      biased += 2 * (a - km[i]! - km[j]! + ka) * (b - lm[i]! - lm[j]! + la)
      debiased += 2 * (a - (k.sums[i]! + k.sums[j]!) / (n - 2) + ku) * (b - (l.sums[i]! + l.sums[j]!) / (n - 2) + lu)
    }
  }
  return [biased / (n - 1) ** 2, debiased / (n * (n - 3))]
}

/** CKA of two Gaussian kernels of the same rows, biased (Kornblith et al. 2019) and debiased (Song et al. 2012). */
export function rbfCka(k: GaussianKernel, l: GaussianKernel): RbfCka {
  if (!k.varies || !l.varies) return { biased: null, debiased: null }
  const [kl, kk, ll] = [hsics(k, l), hsics(k, k), hsics(l, l)]
  return { biased: ckaOf(kl[0], kk[0], ll[0]), debiased: k.rows < fewestRows ? null : ckaOf(kl[1], kk[1], ll[1]) }
}
