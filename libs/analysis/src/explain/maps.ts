/** Activations of one image at a layer with maps, and a score's gradients with respect to them: [channels, height, width]. */
export interface LayerEvidence {
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly activations: Float32Array
  readonly gradients: Float32Array
}

/** Map of evidence for a class, [height, width] of the layer. */
export interface EvidenceMap {
  /** Never negative, unless it is signed. All zero where nothing speaks for the class. */
  readonly map: Float64Array
  /** The sum before negative evidence is cut off; for methods that cut earlier, the map itself. */
  readonly beforeRelu: Float64Array
  /** Weight of each channel; none for methods that weigh each position. */
  readonly channelWeights?: Float64Array
}

const relu = (values: Float64Array): Float64Array => values.map(value => (value > 0 ? value : 0))

/** Sum of the channels' activations times their weights, by position. */
function weighted({ channels, height, width, activations }: LayerEvidence, weights: Float64Array): Float64Array {
  const positions = height * width
  const sum = new Float64Array(positions)
  for (let channel = 0; channel < channels; channel++) {
    const weight = weights[channel]!
    if (weight === 0) continue
    const start = channel * positions
    for (let i = 0; i < positions; i++) sum[i]! += weight * activations[start + i]!
  }
  return sum
}

/** Grad-CAM (Selvaraju et al. 2017): channels weighted by the mean of their gradient over positions; negative sums cut off. */
export function gradCam(evidence: LayerEvidence): EvidenceMap {
  const { channels, height, width, gradients } = evidence
  const positions = height * width
  const channelWeights = new Float64Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0
    for (let i = channel * positions; i < (channel + 1) * positions; i++) sum += gradients[i]!
    channelWeights[channel] = sum / positions
  }
  const beforeRelu = weighted(evidence, channelWeights)
  return { map: relu(beforeRelu), beforeRelu, channelWeights }
}

/**
 * Grad-CAM++ (Chattopadhay et al. 2018): a position's weight is g^2 / (2 g^2 + g^3 S), with S the sum of the channel's activations, and 0
 * where g is 0; a channel's weight is the sum of these over its positive gradients. Nothing is added to the denominator: gradients of a
 * thousandth have squares of a millionth, which an epsilon of that size would bury.
 */
export function gradCamPlusPlus(evidence: LayerEvidence): EvidenceMap {
  const { channels, height, width, activations, gradients } = evidence
  const positions = height * width
  const channelWeights = new Float64Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * positions
    let total = 0
    for (let i = start; i < start + positions; i++) total += activations[i]!
    let sum = 0
    for (let i = start; i < start + positions; i++) {
      const gradient = gradients[i]!
      if (gradient <= 0) continue
      const denominator = 2 + gradient * total
      // g^2 cancels, so that it does not vanish in the smallest numbers.
      if (denominator !== 0) sum += gradient / denominator
    }
    channelWeights[channel] = sum
  }
  const beforeRelu = weighted(evidence, channelWeights)
  return { map: relu(beforeRelu), beforeRelu, channelWeights }
}

/** LayerCAM (Jiang et al. 2021): each position weighted by its own positive gradient. */
export function layerCam(evidence: LayerEvidence): EvidenceMap {
  const { channels, height, width, activations, gradients } = evidence
  const positions = height * width
  const beforeRelu = new Float64Array(positions)
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * positions
    for (let i = 0; i < positions; i++) {
      const gradient = gradients[start + i]!
      if (gradient > 0) beforeRelu[i]! += gradient * activations[start + i]!
    }
  }
  return { map: relu(beforeRelu), beforeRelu }
}

/** Values of each position, summed over channels: of gradient times input, what the score rests on, for (+) and against it (-). */
export function gradientTimesInput({ channels, height, width, activations, gradients }: LayerEvidence): Float64Array {
  const positions = height * width
  const sum = new Float64Array(positions)
  for (let i = 0; i < channels * positions; i++) sum[i % positions]! += activations[i]! * gradients[i]!
  return sum
}

/** Largest magnitude of the gradient over channels, by position (Simonyan et al. 2014). */
export function saliency({ channels, height, width, gradients }: Omit<LayerEvidence, 'activations'>): Float64Array {
  const positions = height * width
  const largest = new Float64Array(positions)
  for (let i = 0; i < channels * positions; i++) largest[i % positions] = Math.max(largest[i % positions]!, Math.abs(gradients[i]!))
  return largest
}

/** A map divided by its largest magnitude; undefined where all of it is 0, since there is nothing to see then. */
export function overLargest(map: Float64Array): Float64Array | undefined {
  let largest = 0
  for (const value of map) largest = Math.max(largest, Math.abs(value))
  return largest === 0 ? undefined : map.map(value => value / largest)
}

/** Positions to read along one side: two neighbours and the share of the second, with centres at halves. */
function steps(from: number, to: number): { readonly low: number; readonly high: number; readonly share: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5)
    const low = Math.min(from - 1, Math.floor(at))
    return { low, high: Math.min(from - 1, low + 1), share: at - low }
  })
}

/**
 * A map in another size by bilinear interpolation, with centres of cells at halves (PyTorch's `align_corners=False`).
 * @param from height and width of the map
 * @param to those wanted
 */
export function resizeMap(map: Float64Array, from: readonly [number, number], to: readonly [number, number]): Float64Array {
  const [rows, columns] = [steps(from[0], to[0]), steps(from[1], to[1])]
  const result = new Float64Array(to[0] * to[1])
  for (const [y, row] of rows.entries()) {
    for (const [x, column] of columns.entries()) {
      const line = (start: number): number => map[start + column.low]! * (1 - column.share) + map[start + column.high]! * column.share
      result[y * to[1] + x] = line(row.low * from[1]) * (1 - row.share) + line(row.high * from[1]) * row.share
    }
  }
  return result
}
