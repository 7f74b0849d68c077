/**
 * The rule by which the stored values of other systems were made: weights and pictures are a hash of a
 * name and an index, so that any language can repeat them and none has to store them.
 */
import { type Network, parameterShapes, type Preparation } from '@layermill/models'
import { elementCount, fnv1a32, lowbias32, type Tensor } from '@layermill/core'
import { torchvisionKey } from './names/scheme.js'

/** The seed that all the stored values use. */
export const goldenSeed = 'golden-1'

/** 0x9e3779b9 as a signed 32-bit number, so that adding it stays in integer arithmetic. */
const goldenRatio = 0x9e3779b9 | 0
const twoToMinus32 = 1 / 4294967296

/** u(name, index) in [0, 1). */
export function uniform(name: string, index: number): number {
  return lowbias32((Math.imul(index, goldenRatio) + fnv1a32(name)) | 0) * twoToMinus32
}

/** `transform(u(name, i))` for every i, in double precision, rounded to float32. */
function mapped(name: string, count: number, transform: (u: number) => number): Float32Array {
  const data = new Float32Array(count)
  let state = fnv1a32(name) | 0
  for (let i = 0; i < count; i++) {
    data[i] = transform(lowbias32(state) * twoToMinus32)
    state = (state + goldenRatio) | 0
  }
  return data
}

/** `(2u - 1) * scale`: written out without a callback, since nearly all values of a network are of this kind. */
function symmetric(name: string, count: number, scale: number): Float32Array {
  const data = new Float32Array(count)
  let state = fnv1a32(name) | 0
  for (let i = 0; i < count; i++) {
    let x = state
    x ^= x >>> 16
    x = Math.imul(x, 0x7feb352d)
    x ^= x >>> 15
    x = Math.imul(x, 0x846ca68b)
    x ^= x >>> 16
    data[i] = (2 * ((x >>> 0) * twoToMinus32) - 1) * scale
    state = (state + goldenRatio) | 0
  }
  return data
}

function heScale(shape: readonly number[]): number {
  return Math.sqrt(6 / elementCount(shape.slice(1)))
}

function chainerTensor(parameter: string, shape: readonly number[], seed: string): Float32Array {
  const name = `${seed}:${parameter}`
  const count = elementCount(shape)
  const kind = parameter.slice(parameter.lastIndexOf('/') + 1)
  switch (kind) {
    case 'W':
      return symmetric(name, count, parameter === 'conv1_1/W' || parameter === 'conv1/W' ? heScale(shape) / 64 : heScale(shape))
    case 'b':
      return symmetric(name, count, 0.05)
    case 'gamma':
      return parameter.endsWith('bn3/gamma') ? mapped(name, count, u => (0.5 + u) * 0.1) : mapped(name, count, u => 0.5 + u)
    case 'beta':
    case 'avg_mean':
      return symmetric(name, count, 0.1)
    case 'avg_var':
      return mapped(name, count, u => 0.5 + u)
    default:
      throw new Error(`no rule for a parameter that ends in ${kind}: ${parameter}`)
  }
}

function torchvisionTensor(key: string, shape: readonly number[], seed: string): Float32Array {
  const name = `${seed}:torchvision:${key}`
  const count = elementCount(shape)
  const kind = key.slice(key.lastIndexOf('.') + 1)
  switch (kind) {
    case 'weight':
      if (shape.length > 1) return symmetric(name, count, heScale(shape))
      return key.endsWith('bn3.weight') ? mapped(name, count, u => (0.5 + u) * 0.1) : mapped(name, count, u => 0.5 + u)
    case 'bias':
      return symmetric(name, count, 0.05)
    case 'running_mean':
      return symmetric(name, count, 0.1)
    case 'running_var':
      return mapped(name, count, u => 0.5 + u)
    default:
      throw new Error(`no rule for a key that ends in ${kind}: ${key}`)
  }
}

/** Weights of a network (or of a head: `head/fc/W`) by Chainer's parameter names. */
export function chainerWeights(shapes: ReadonlyMap<string, readonly number[]>, seed: string = goldenSeed): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  for (const [name, shape] of shapes) tensors.set(name, { shape: [...shape], data: chainerTensor(name, shape, seed) })
  return tensors
}

/** Weights by torchvision's state-dict keys. `num_batches_tracked`, which no inference reads, is left out. */
export function torchvisionWeights(shapes: ReadonlyMap<string, readonly number[]>, seed: string = goldenSeed): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  for (const [key, shape] of shapes) {
    if (key.endsWith('.num_batches_tracked')) continue
    tensors.set(key, { shape: [...shape], data: torchvisionTensor(key, shape, seed) })
  }
  return tensors
}

/** The picture NAME (`golden-1:image`): RGB bytes, height x width x 3. */
export function picture(name: string, height: number, width: number): Uint8Array {
  const pixels = new Uint8Array(height * width * 3)
  const centreX = Math.floor(width / 3)
  const centreY = Math.floor(height / 2)
  const radius = Math.floor(Math.min(height, width) / 4)
  let index = 0
  for (let y = 0; y < height; y++) {
    const green = Math.floor((255 * y) / Math.max(1, height - 1))
    for (let x = 0; x < width; x++) {
      const red = Math.floor((255 * x) / Math.max(1, width - 1))
      const blue = Math.floor((255 * (x + y)) / Math.max(1, width + height - 2))
      const disc = (x - centreX) ** 2 + (y - centreY) ** 2 < radius ** 2 ? 90 : 0
      for (const ramp of [red, green, blue]) {
        const noise = Math.floor(48 * uniform(name, index))
        pixels[index] = Math.min(255, Math.max(0, Math.floor((3 * ramp) / 5) + disc + noise))
        index++
      }
    }
  }
  return pixels
}

/** The weights of the stored values of a network, under its own names. */
export function referenceWeights(network: Network): Map<string, Tensor> {
  const shapes = parameterShapes(network)
  if (network.family === 'caffe') return chainerWeights(shapes)
  const names = new Map([...shapes.keys()].map(name => [torchvisionKey(network.architecture, name)!, name]))
  const byKey = torchvisionWeights(new Map([...names].map(([key, name]) => [key, shapes.get(name)!])))
  return new Map([...byKey].map(([key, tensor]) => [names.get(key)!, tensor]))
}

/** The picture of the stored values prepared as its network wants it, or otherwise: [1, 3, 224, 224], not resized. */
export function referenceInput(network: Network, preparation: Preparation = network.preparation): Tensor {
  const [height, width] = network.inputSize
  const { channels, divisor, mean, std } = preparation
  const pixels = picture(`${goldenSeed}:image`, height, width)
  const data = new Float32Array(pixels.length)
  const plane = height * width
  for (let c = 0; c < 3; c++) {
    const source = channels === 'rgb' ? c : 2 - c
    for (let i = 0; i < plane; i++) data[c * plane + i] = (pixels[i * 3 + source]! / divisor - mean[c]!) / std[c]!
  }
  return { shape: [1, 3, height, width], data }
}
