/** Small networks, weights and images for tests: deterministic, any shapes. */
import { elementCount, type Tensor, type TensorMap } from '@layermill/core'
import { parameterShapes, type GraphNode, type GraphVariant, type Network, type NodeOf, type OpName, type Size2 } from '@layermill/models'

type Parameters = { [Op in OpName]: NodeOf<Op>['parameters'] }

/** Parameter names after the node's name, as the real networks have them. */
const parametersOf: { [Op in OpName]?: (name: string) => Parameters[Op] } = {
  conv: name => ({ weight: `${name}/W`, bias: `${name}/b` }),
  batchNorm: name => ({ gamma: `${name}/gamma`, beta: `${name}/beta`, mean: `${name}/mean`, variance: `${name}/variance` }),
  linear: name => ({ weight: `${name}/W`, bias: `${name}/b` }),
}

/** One node; parameters, where the op has some, are named after it. */
export function node<Op extends OpName>(op: Op, name: string, inputs: readonly string[], attributes: NodeOf<Op>['attributes']): GraphNode {
  const parameters = parametersOf[op]?.(name)
  return { name, op, inputs, attributes, parameters } as unknown as GraphNode
}

/** A network of nodes behind an input of 3 channels, in which every node is a layer. */
export function tinyNetwork(nodes: readonly GraphNode[], inputSize: Size2): Network {
  const all = [node('input', 'input', [], { channels: 3 }), ...nodes]
  const names = nodes.map(({ name }) => name)
  const variant: GraphVariant = {}
  return {
    id: 'tiny',
    architecture: 'vgg16',
    family: 'caffe',
    variant,
    nodes: all,
    layers: new Map(names.map(name => [name, name])),
    availableLayers: names,
    defaultLayer: names.at(-1)!,
    classifier: names.at(-1)!,
    probabilities: names.at(-1)!,
    classes: 10,
    inputSize,
    preparation: { channels: 'bgr', divisor: 1, mean: [0, 0, 0], std: [1, 1, 1], resize: { kind: 'exact' }, resample: 'bicubic' },
  }
}

/** Numbers in [-1, 1) that depend on nothing but the seed (a linear congruential generator of 32 bits). */
export function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

/** Weights of a network; variances are positive. */
export function tinyWeights(network: Network, seed = 1): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  for (const [name, shape] of parameterShapes(network)) {
    const data = numbers(elementCount(shape), seed + weights.size)
    weights.set(name, { shape, data: name.endsWith('variance') ? data.map(value => 0.5 + Math.abs(value)) : data })
  }
  return weights
}

export function tinyImages(count: number, [height, width]: Size2, seed = 7): Tensor {
  const shape = [count, 3, height, width]
  return { shape, data: numbers(elementCount(shape), seed) }
}

/** The same weights in shared memory. */
export function inSharedMemory(weights: TensorMap): Map<string, Tensor> {
  return new Map(
    [...weights].map(([name, { shape, data }]) => {
      const shared = new Float32Array(new SharedArrayBuffer(data.byteLength))
      shared.set(data)
      return [name, { shape, data: shared }]
    }),
  )
}
