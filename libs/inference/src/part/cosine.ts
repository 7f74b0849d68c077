/** Cosine of the angle between two rows of one length, summed in float64: 1 for two rows of zeros, 0 where only one is. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0
  let squaresA = 0
  let squaresB = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresA += a[i]! * a[i]!
    squaresB += b[i]! * b[i]!
  }
  if (squaresA === 0 && squaresB === 0) return 1
  return dot / Math.sqrt(squaresA * squaresB || 1)
}
