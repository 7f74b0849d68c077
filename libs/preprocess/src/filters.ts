import type { FloatResample, Resample } from '@layermill/models'
import type { Pacer } from './pacer.js'

/** Fractional bits of a coefficient: 32 bits less 8 of the pixel and 2 of headroom for sums outside of 0..255 (Pillow's choice). */
const precisionBits = 22

type Kernel = { readonly support: number; readonly weight: (x: number) => number }

/** Keys' cubic convolution with a = -0.5. */
function cubic(x: number): number {
  const d = Math.abs(x)
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * -0.5
  return 0
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x))
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI)
}

function lanczos3(x: number): number {
  return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0
}

/** 1 within half a pixel; the left edge is outside. */
function box(x: number): number {
  return x > -0.5 && x <= 0.5 ? 1 : 0
}

/** The constants are single precision in Pillow. */
const hammingOffset = Math.fround(0.54)
const hammingScale = Math.fround(0.46)

function hamming(x: number): number {
  const d = Math.abs(x)
  if (d === 0) return 1
  return d >= 1 ? 0 : sinc(d) * (hammingOffset + hammingScale * Math.cos(d * Math.PI))
}

/** The filter of levels for one of floats; any other filter as it is. */
export const levelFilter = (filter: Resample): Exclude<Resample, FloatResample> => (isFloatFilter(filter) ? levelFilters[filter] : filter)

const levelFilters = {
  'float-bicubic': 'torchvision-bicubic',
  'float-bilinear': 'torchvision-bilinear',
} as const satisfies Readonly<Record<FloatResample, Resample>>

/** Whether a filter's results are not rounded to levels. */
export const isFloatFilter = (filter: Resample): filter is FloatResample => filter in levelFilters

/** Filters that weigh pixels. */
export type Weighing = Exclude<Resample, 'nearest' | 'torchvision-nearest' | FloatResample>

const kernels: Readonly<Record<Weighing, Kernel>> = {
  bicubic: { support: 2, weight: cubic },
  bilinear: { support: 1, weight: triangle },
  lanczos: { support: 3, weight: lanczos3 },
  box: { support: 0.5, weight: box },
  hamming: { support: 1, weight: hamming },
  'torchvision-bicubic': { support: 2, weight: cubic },
  'torchvision-bilinear': { support: 1, weight: triangle },
  'torchvision-lanczos': { support: 3, weight: lanczos3 },
}

const floatKernels: Readonly<Record<FloatResample, Kernel>> = {
  'float-bicubic': kernels.bicubic,
  'float-bilinear': kernels.bilinear,
}

/** Inputs of each output along one axis with weights in single precision. */
export interface FloatTaps {
  readonly starts: Int32Array
  readonly counts: Int32Array
  /** `width` weights an output. */
  readonly weights: Float32Array
  readonly width: number
}

/** Which inputs make each output along one axis, and how much of each. */
export interface Taps {
  /** First input of each output. */
  readonly starts: Int32Array
  /** Number of inputs of each output, at least 1. */
  readonly counts: Int32Array
  /** `width` coefficients an output, with 22 fractional bits; those behind `counts` are 0. */
  readonly coefficients: Int32Array
  /** Even. */
  readonly width: number
}

/**
 * The coefficients of one axis as Pillow computes them: the kernel is stretched by the scale when shrinking (antialiasing), cut at
 * the edges, normalized to a sum of 1, and rounded to fixed point half away from zero. Only those of `count` outputs from `first`.
 * torchvision's have as many of 22 bits as leave the largest of the whole axis below 2^15 (PyTorch's UpSampleKernelAVXAntialias.h).
 */
export async function computeTaps(
  inputs: number,
  outputs: number,
  filter: Weighing,
  pacer: Pacer,
  first = 0,
  count = outputs,
): Promise<Taps> {
  if (!filter.startsWith('torchvision-')) return weigh(inputs, outputs, filter, pacer, first, count)
  const whole = await weigh(inputs, outputs, filter, pacer, 0, outputs, 1)
  const bits = bitsOf(whole.coefficients.reduce((most, value) => Math.max(most, value), 0))
  return weigh(inputs, outputs, filter, pacer, first, count, 2 ** (precisionBits - bits))
}

/** Bits of torchvision's coefficients, by the largest of an axis in fixed point of 22 bits. */
function bitsOf(largest: number): number {
  for (let bits = 0; bits < precisionBits; bits++) {
    if (Math.trunc(0.5 + (largest / 2 ** precisionBits) * 2 ** (bits + 1)) >= 1 << 15) return bits
  }
  return precisionBits
}

/** @param step coefficients are multiples of it */
async function weigh(
  inputs: number,
  outputs: number,
  filter: Weighing,
  pacer: Pacer,
  first: number,
  count: number,
  step = 1,
): Promise<Taps> {
  const kernel = kernels[filter]
  const scale = inputs / outputs
  const stretch = Math.max(scale, 1)
  const support = kernel.support * stretch
  const width = Math.ceil(support) * 2 + 2
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const coefficients = new Int32Array(count * width)
  const weights = new Float64Array(width)
  for (let output = 0; output < count; output++) {
    const center = (first + output + 0.5) * scale
    const start = Math.max(0, Math.trunc(center - support + 0.5))
    const taps = Math.min(inputs, Math.trunc(center + support + 0.5)) - start
    let sum = 0
    for (let i = 0; i < taps; i++) {
      const weight = kernel.weight((i + start - center + 0.5) * (1 / stretch))
      weights[i] = weight
      sum += weight
    }
    for (let i = 0; i < taps; i++) coefficients[output * width + i] = toFixed(sum === 0 ? weights[i]! : weights[i]! / sum, step)
    starts[output] = start
    counts[output] = taps
    if (pacer.due) await pacer.rest()
  }
  return { starts, counts, coefficients, width }
}

function toFixed(weight: number, step: number): number {
  return Math.trunc((weight < 0 ? -0.5 : 0.5) + (weight * 2 ** precisionBits) / step) * step
}

/**
 * Weights of one axis as PyTorch computes them for floats (UpSampleKernel.cpp): those of Pillow, with scale, centres and weights in single
 * precision.
 */
export async function floatTaps(
  inputs: number,
  outputs: number,
  filter: FloatResample,
  pacer: Pacer,
  first: number,
  count: number,
): Promise<FloatTaps> {
  const kernel = floatKernels[filter]
  const scale = Math.fround(inputs / outputs)
  const support = scale >= 1 ? Math.fround(kernel.support * scale) : kernel.support
  const shrink = scale >= 1 ? Math.fround(1 / scale) : 1
  const width = Math.ceil(support) * 2 + 1
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const weights = new Float32Array(count * width)
  for (let output = 0; output < count; output++) {
    const center = Math.fround(scale * (first + output + 0.5))
    const start = Math.max(0, Math.trunc(Math.fround(center - support) + 0.5))
    const taps = Math.min(width, Math.min(inputs, Math.trunc(Math.fround(center + support) + 0.5)) - start)
    let sum = 0
    for (let i = 0; i < taps; i++) {
      const weight = Math.fround(kernel.weight(Math.fround((Math.fround(i + start - center) + 0.5) * shrink)))
      weights[output * width + i] = weight
      sum = Math.fround(sum + weight)
    }
    if (sum !== 0) for (let i = 0; i < taps; i++) weights[output * width + i] = weights[output * width + i]! / sum
    starts[output] = start
    counts[output] = taps
    if (pacer.due) await pacer.rest()
  }
  return { starts, counts, weights, width }
}
