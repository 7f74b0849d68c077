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
  let own = 0
  for (let i = 0; i < vector.length; i++) own += vector[i]! * vector[i]!
  return (values, start) => {
    let product = 0
    let squares = 0
    for (let i = 0; i < vector.length; i++) {
      const value = values[start + i]!
      product += vector[i]! * value
      squares += value * value
    }
    // One root of the product, not the product of two roots: that of a square is exact.
    const lengths = Math.sqrt(own * squares)
    return lengths === 0 ? 0 : product / lengths
  }
}

/** The Euclidean distance, summed in double precision. */
function l2From(vector: Float32Array): RowMeasure {
  return (values, start) => {
    let squares = 0
    for (let i = 0; i < vector.length; i++) {
      const difference = vector[i]! - values[start + i]!
      squares += difference * difference
    }
    return Math.sqrt(squares)
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
