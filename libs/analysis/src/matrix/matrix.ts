import { LayermillError } from '@layermill/core'

/** Rows of numbers in memory, one behind the other. */
export interface Rows {
  readonly rows: number
  readonly columns: number
  /** `rows * columns` numbers. */
  readonly data: Float32Array | Float64Array
}

/** A matrix in row-major order, float64. */
export interface Matrix extends Rows {
  /** `rows * columns` numbers. */
  readonly data: Float64Array
}

/**
 * `nn`: A B; `nt`: A B', the inner products of rows; `tn`: A' B, the inner products of columns.
 */
export type ProductForm = 'nn' | 'nt' | 'tn'

/**
 * The product of two matrices in float64. The order of each sum depends on the shapes alone, so that the same matrices give the same bits.
 * With `target` the numbers are written there, and no array is made.
 */
export type MatrixProduct = (a: Matrix, b: Matrix, form: ProductForm, target?: Float64Array) => Promise<Matrix>

/** A matrix of given numbers, or of zeros. */
export function matrix(rows: number, columns: number, data: Float64Array = new Float64Array(rows * columns)): Matrix {
  if (data.length !== rows * columns) {
    throw new LayermillError('ROW_INVALID', `a matrix of ${rows} x ${columns} from ${data.length} numbers`)
  }
  return { rows, columns, data }
}

/** Some rows in a given order, copied. */
export function takeRows({ columns, data }: Rows, places: ArrayLike<number>): Matrix {
  const taken = matrix(places.length, columns)
  for (let i = 0; i < places.length; i++) taken.data.set(data.subarray(places[i]! * columns, (places[i]! + 1) * columns), i * columns)
  return taken
}

/** The transpose, copied in tiles so that both sides stay in the cache. */
export function transpose({ rows, columns, data }: Matrix): Matrix {
  const tile = 32
  const result = new Float64Array(rows * columns)
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const bottom = Math.min(rows, top + tile)
      const right = Math.min(columns, left + tile)
      for (let i = top; i < bottom; i++) {
        for (let j = left; j < right; j++) result[j * rows + i] = data[i * columns + j]!
      }
    }
  }
  return matrix(columns, rows, result)
}

/** Shape of a product. @throws LayermillError `ROW_INVALID` where the inner sizes differ */
export function productShape(a: Matrix, b: Matrix, form: ProductForm): { rows: number; columns: number; inner: number } {
  const inner = form === 'tn' ? a.rows : a.columns
  const other = form === 'nt' ? b.columns : b.rows
  if (inner !== other) {
    throw new LayermillError(
      'ROW_INVALID',
      `product ${form} of ${a.rows} x ${a.columns} and ${b.rows} x ${b.columns}: ${inner} is not ${other}`,
    )
  }
  return { rows: form === 'tn' ? a.columns : a.rows, columns: form === 'nt' ? b.rows : b.columns, inner }
}

/** Four rows at once: each value of B is loaded once for four sums. */
function rowProducts(a: Matrix, b: Matrix, columns: number, inner: number, result: Float64Array): Float64Array {
  const left = a.data
  const right = b.data
  for (let j = 0; j < columns; j++) {
    const other = j * inner
    let i = 0
    for (; i + 4 <= a.rows; i += 4) {
      const at = i * inner
      let [s0, s1, s2, s3] = [0, 0, 0, 0]
      for (let k = 0; k < inner; k++) {
        const value = right[other + k]!
        s0 += left[at + k]! * value
        s1 += left[at + inner + k]! * value
        s2 += left[at + 2 * inner + k]! * value
        s3 += left[at + 3 * inner + k]! * value
      }
      result[i * columns + j] = s0
      result[(i + 1) * columns + j] = s1
      result[(i + 2) * columns + j] = s2
      result[(i + 3) * columns + j] = s3
    }
    for (; i < a.rows; i++) {
      let sum = 0
      for (let k = 0; k < inner; k++) sum += left[i * inner + k]! * right[other + k]!
      result[i * columns + j] = sum
    }
  }
  return result
}

/** The product in plain loops: for small matrices, and the reference of faster ones. */
export const plainProduct: MatrixProduct = async (a, b, form, target) => {
  const { rows, columns, inner } = productShape(a, b, form)
  const left = form === 'tn' ? transpose(a) : a
  const right = form === 'nt' ? b : transpose(b)
  return matrix(rows, columns, rowProducts(left, right, columns, inner, target ?? new Float64Array(rows * columns)))
}

/** The inner product of two vectors, in order. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** One row, as a view. */
export const rowOf = ({ columns, data }: Matrix, row: number): Float64Array => data.subarray(row * columns, (row + 1) * columns)
