import type { Tensor } from '@layermill/core'

/** Mean and standard deviation of every number of the features, over the training images. */
export interface FeatureStandard {
  readonly mean: Float64Array
  readonly deviation: Float64Array
}

/**
 * A linear layer on standardised features, [outputs, n] and [outputs], changed in place into the same layer on the features themselves; or,
 * `back`, the other way.
 */
export function foldStandard(weight: Tensor, bias: Tensor, { mean, deviation }: FeatureStandard, back = false): void {
  const width = mean.length
  for (let row = 0; row < bias.data.length; row++) {
    let shift = 0
    for (let j = 0; j < width; j++) {
      const at = row * width + j
      const raw = back ? weight.data[at]! : weight.data[at]! / deviation[j]!
      shift += raw * mean[j]!
      weight.data[at] = back ? raw * deviation[j]! : raw
    }
    bias.data[row]! += back ? shift : -shift
  }
}
