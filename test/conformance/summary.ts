/** Stored summary of a tensor that another system has computed. */
export interface Summary {
  readonly shape: readonly number[]
  readonly mean: number
  readonly std: number
  readonly absMax: number
  /** Flat index and value. */
  readonly samples: readonly (readonly [number, number])[]
}

/**
 * Largest difference of samples, mean, standard deviation and largest value, in units of the stored largest value. In loops: VGG16 has 134
 * million numbers, and a call for each of them takes longer than a training step.
 */
export function differenceFrom(expected: Summary, data: Float32Array | Float64Array): number {
  let sum = 0
  let absMax = 0
  for (let i = 0; i < data.length; i++) {
    sum += data[i]!
    absMax = Math.max(absMax, Math.abs(data[i]!))
  }
  const mean = sum / data.length
  let squares = 0
  for (let i = 0; i < data.length; i++) squares += (data[i]! - mean) ** 2
  const statistics = [mean - expected.mean, Math.sqrt(squares / data.length) - expected.std, absMax - expected.absMax]
  const samples = expected.samples.map(([index, value]) => data[index]! - value)
  return Math.max(...[...statistics, ...samples].map(Math.abs)) / expected.absMax
}
