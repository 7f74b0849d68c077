import { type Matrix, matrix, symmetricEigen } from '@layermill/analysis'

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

/** A mean and directions of largest variance, each of unit length, one behind the other. */
export interface Basis {
  readonly mean: Float64Array
  readonly directions: Float64Array
  readonly count: number
}

/** Directions of largest variance of rows of numbers, at most `count`: fewer where the rows vary in fewer. */
export function principalBasis(values: Float32Array, rows: number, columns: number, count: number): Basis {
  const mean = new Float64Array(columns)
  for (let i = 0; i < values.length; i++) mean[i % columns]! += values[i]! / rows
  const about = values.map((value, i) => value - mean[i % columns]!)
  const eigen = symmetricEigen(gram(about, rows, columns))
  const largest = Math.max(eigen.values[0] ?? 0, 0)
  const kept = Math.min(count, eigen.values.filter(value => value > largest * 1e-9).length)
  const directions = new Float64Array(kept * columns)
  for (let k = 0; k < kept; k++) {
    for (let row = 0; row < rows; row++) {
      const weight = eigen.vectors[k * rows + row]! / Math.sqrt(eigen.values[k]!)
      for (let column = 0; column < columns; column++) directions[k * columns + column]! += weight * about[row * columns + column]!
    }
  }
  return { mean, directions, count: kept }
}

/** Rows of numbers by a basis: for each row its coordinates. Numbers that are not finite count as the mean. */
export function project({ mean, directions, count }: Basis, values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns
  const found = new Float32Array(rows * count)
  const row = new Float64Array(columns)
  for (let i = 0; i < rows; i++) {
    for (let column = 0; column < columns; column++) {
      const value = values[i * columns + column]!
      row[column] = Number.isFinite(value) ? value - mean[column]! : 0
    }
    for (let k = 0; k < count; k++) {
      let sum = 0
      const start = k * columns
      for (let column = 0; column < columns; column++) sum += row[column]! * directions[start + column]!
      found[i * count + k] = sum
    }
  }
  return found
}

/** Inner products of all rows. */
function gram(values: Float32Array, rows: number, columns: number): Matrix {
  const products = matrix(rows, rows)
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0
      for (let i = 0; i < columns; i++) sum += values[a * columns + i]! * values[b * columns + i]!
      products.data[a * rows + b] = sum
      products.data[b * rows + a] = sum
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
  const eigen = symmetricEigen(gram(centred(values, rows, columns), rows, columns))
  const total = eigen.values.reduce((sum, value) => sum + Math.max(0, value), 0)
  const kept = Array.from(eigen.values.subarray(0, Math.min(count, rows)), value => Math.max(0, value))
  const columnsOf = kept.map((value, i) => {
    const vector = eigen.vectors.subarray(i * rows, (i + 1) * rows)
    const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0)
    return vector.map(x => x * Math.sqrt(value) * (largest < 0 ? -1 : 1))
  })
  return {
    rows: Array.from({ length: rows }, (_, row) => columnsOf.map(column => Number(column[row]!.toPrecision(5)))),
    variance: kept.map(value => (total > 0 ? value / total : 0)),
  }
}
