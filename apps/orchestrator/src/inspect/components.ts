import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

export interface Components {
  /** For each row its coordinates, largest variance first. */
  readonly rows: number[][]
  /** Share of the variance of each component. */
  readonly variance: number[]
}

/** Subtracts each column's mean. */
function centred(values: Float32Array, rows: number, columns: number): Float32Array {
  const mean = new Float64Array(columns)
  for (let i = 0; i < values.length; i++) mean[i % columns]! += values[i]! / rows
  return values.map((value, i) => value - mean[i % columns]!)
}

/** Inner products of all rows. */
function gram(values: Float32Array, rows: number, columns: number): Matrix {
  const products = Matrix.zeros(rows, rows)
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0
      for (let i = 0; i < columns; i++) sum += values[a * columns + i]! * values[b * columns + i]!
      products.set(a, b, sum)
      products.set(b, a, sum)
    }
  }
  return products
}

/**
 * Principal components of rows of numbers. By the rows' inner products, of which there are far fewer than columns, in O(rows^2 columns +
 * rows^3). Signs are such that each component's largest coordinate is positive, so that the same rows give the same picture.
 */
export function principalComponents(values: Float32Array, rows: number, columns: number, count: number): Components {
  if (rows < 2) return { rows: Array.from({ length: rows }, () => [0, 0]), variance: [0, 0] }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram(centred(values, rows, columns), rows, columns), {
    assumeSymmetric: true,
  })
  const total = realEigenvalues.reduce((sum, value) => sum + Math.max(0, value), 0)
  const order = realEigenvalues
    .map((value, i) => ({ value: Math.max(0, value), i }))
    .toSorted((a, b) => b.value - a.value)
    .slice(0, Math.min(count, rows))
  const columnsOf = order.map(({ value, i }) => {
    const vector = eigenvectorMatrix.getColumn(i)
    const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0)
    return vector.map(x => x * Math.sqrt(value) * (largest < 0 ? -1 : 1))
  })
  return {
    rows: Array.from({ length: rows }, (_, row) => columnsOf.map(column => Number(column[row]!.toPrecision(5)))),
    variance: order.map(({ value }) => (total > 0 ? value / total : 0)),
  }
}
