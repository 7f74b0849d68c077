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
