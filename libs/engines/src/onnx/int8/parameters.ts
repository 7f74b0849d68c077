import { elementCount, type Tensor } from '@layermill/core'

/** Smallest and largest value that a tensor's uint8 values stand for. */
export type Range = readonly [low: number, high: number]

/** real = scale * (quantised - zeroPoint); scale is a float32 number. */
export interface Quantiser {
  readonly scale: number
  /** 0 to 255. */
  readonly zeroPoint: number
}

const levels = 255

/**
 * uint8 parameters of a range, widened to contain 0, which is represented exactly (padding and ReLU depend on it). An empty range has
 * scale 1.
 */
export function activationQuantiser([from, to]: Range): Quantiser {
  const low = Math.min(0, from)
  const high = Math.max(0, to)
  const scale = Math.fround((high - low) / levels)
  if (!(scale > 0)) return { scale: 1, zeroPoint: 0 }
  return { scale, zeroPoint: Math.min(levels, Math.max(0, Math.round(-low / scale))) }
}

/** Weights as int8 with one scale for each row (output channel), and the bias in units of input scale times row scale. */
export interface QuantisedWeights {
  readonly data: Int8Array
  readonly scales: Float32Array
  readonly bias: Int32Array
}

/** Largest magnitude of an int8 weight: symmetric, so that 0 stays 0. */
const largestWeight = 127
/** Half of what int32 holds: the rest is room for the products that are added. */
const largestBias = 2 ** 30

function largestMagnitude(data: Float32Array, from: number, to: number): number {
  let largest = 0
  for (let i = from; i < to; i++) {
    const magnitude = Math.abs(data[i]!)
    if (magnitude > largest) largest = magnitude
  }
  return largest
}

/**
 * Quantises weights [rows, ...] symmetrically, each row by its own largest magnitude.
 * @param inputScale scale of the values that they are multiplied with
 */
export function quantiseWeights({ shape, data }: Tensor, bias: Float32Array | undefined, inputScale: number): QuantisedWeights {
  const rows = shape[0]!
  const size = elementCount(shape.slice(1))
  const quantised = new Int8Array(rows * size)
  const scales = new Float32Array(rows)
  const biases = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const start = row * size
    const shift = bias?.[row] ?? 0
    // A row so small that its bias would not fit gets a coarser scale.
    const scale =
      Math.fround(Math.max(largestMagnitude(data, start, start + size) / largestWeight, Math.abs(shift) / (inputScale * largestBias))) || 1
    scales[row] = scale
    for (let i = start; i < start + size; i++)
      quantised[i] = Math.max(-largestWeight, Math.min(largestWeight, Math.round(data[i]! / scale)))
    biases[row] = Math.round(shift / (inputScale * scale))
  }
  return { data: quantised, scales, bias: biases }
}
