export const metrics = ['cosine', 'l2'] as const
/** How far two vectors are apart: one minus the cosine of their angle (0 to 2), or the Euclidean distance. */
export type Metric = (typeof metrics)[number]

/** A row of numbers within others: those of `values` from `start` on. */
export type RowMeasure = (values: Float32Array, start: number) => number

/**
 * The cosine between a vector and rows of the same length, summed in double precision; 0 where one of the two is all zeros, NaN where one
 * has a value that is no finite number. Of equal vectors it is exactly 1.
 */
export function cosineTo(vector: Float32Array): RowMeasure {
  const own = squareSum(vector)
  return (values, start) => {
    const row = values.subarray(start, start + vector.length)
    // Sums of every other number: the processor need not wait for the one before.
    let product = 0
    let otherProduct = 0
    let squares = 0
    let otherSquares = 0
    const last = vector.length - 1
    for (let i = 0; i < last; i += 2) {
      const value = row[i]!
      const other = row[i + 1]!
      product += vector[i]! * value
      otherProduct += vector[i + 1]! * other
      squares += value * value
      otherSquares += other * other
    }
    if (last % 2 === 0) {
      product += vector[last]! * row[last]!
      squares += row[last]! * row[last]!
    }
    // One root of the product, not the product of two roots: that of a square is exact.
    const lengths = Math.sqrt(own * (squares + otherSquares))
    return lengths === 0 ? 0 : (product + otherProduct) / lengths
  }
}

/** The sum of squares, added up as `cosineTo` does. */
function squareSum(vector: Float32Array): number {
  let squares = 0
  let otherSquares = 0
  for (let i = 0; i < vector.length; i += 2) {
    squares += vector[i]! * vector[i]!
    if (i + 1 < vector.length) otherSquares += vector[i + 1]! * vector[i + 1]!
  }
  return squares + otherSquares
}

/** The Euclidean distance, summed in double precision. */
function l2From(vector: Float32Array): RowMeasure {
  return (values, start) => {
    const row = values.subarray(start, start + vector.length)
    let squares = 0
    let otherSquares = 0
    const last = vector.length - 1
    for (let i = 0; i < last; i += 2) {
      const difference = vector[i]! - row[i]!
      const other = vector[i + 1]! - row[i + 1]!
      squares += difference * difference
      otherSquares += other * other
    }
    if (last % 2 === 0) squares += (vector[last]! - row[last]!) ** 2
    return Math.sqrt(squares + otherSquares)
  }
}

/**
 * How far rows are from a vector; 0 for an equal row (but with `cosine` 1 where both are all zeros), NaN where a value is no finite number.
 */
export function distanceFrom(metric: Metric, vector: Float32Array): RowMeasure {
  if (metric === 'l2') return l2From(vector)
  const cosine = cosineTo(vector)
  return (values, start) => Math.max(0, 1 - cosine(values, start))
}
