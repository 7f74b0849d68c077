import { elementCount } from '@layermill/core'
import type { GraphNode, Size2 } from './graph.js'
import { pruneNodes, resolveLayers } from './network.js'
import { inferShapes, layerShapes, parameterShapes, type Shape } from './shapes.js'
import type { Network } from './types.js'

export interface LayerCost {
  readonly layer: string
  /** Without the batch. */
  readonly shape: Shape
  /** One image's activation as float32. */
  readonly bytesPerImage: number
  /** Floating-point operations from the image to this layer, one multiply-add as two; convolutions and linear layers only. */
  readonly flops: number
  /** Numbers learned from the image to this layer. */
  readonly parameters: number
}

function nodeFlops(node: GraphNode, shapes: ReadonlyMap<string, Shape>): number {
  if (node.op === 'linear') return 2 * node.attributes.inFeatures * node.attributes.outFeatures
  if (node.op !== 'conv') return 0
  const [height, width] = node.attributes.kernel
  return 2 * elementCount(shapes.get(node.name)!) * shapes.get(node.inputs[0]!)![0]! * height * width
}

const sized = (shape: Shape): Pick<LayerCost, 'shape' | 'bytesPerImage'> => ({
  shape,
  bytesPerImage: elementCount(shape) * Float32Array.BYTES_PER_ELEMENT,
})

/**
 * Shape, size and cost of layers at an input size (default: the network's own).
 * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`.
 */
export function layerCosts(network: Network, layers: readonly string[], inputSize: Size2 = network.inputSize): LayerCost[] {
  const shapes = layerShapes(network, layers, inputSize)
  const { graph } = network
  if (graph !== undefined) {
    return layers.map(layer => ({ layer, ...sized(shapes.get(layer)!), ...graph.cost(layer, inputSize) }))
  }
  const parameters = parameterShapes(network)
  return layers.map(layer => {
    const nodes = pruneNodes(network.nodes, resolveLayers(network, [layer]))
    const nodeShapes = inferShapes(nodes, inputSize)
    const shape = shapes.get(layer)!
    return {
      layer,
      ...sized(shape),
      flops: nodes.reduce((sum, node) => sum + nodeFlops(node, nodeShapes), 0),
      parameters: learnedParameters(nodes).reduce((sum, name) => sum + elementCount(parameters.get(name)!), 0),
    }
  })
}

/** Names of what is learned: batch norm's running statistics are not. */
function learnedParameters(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap(node => {
    if (node.op === 'batchNorm') return [node.parameters.gamma, node.parameters.beta]
    return node.parameters === undefined ? [] : Object.values(node.parameters)
  })
}

/** Numbers learned in a network, auxiliary classifiers included, batch norm's running statistics left out. */
export function parameterCount(network: Network): number {
  if (network.graph !== undefined) return network.graph.parameters
  const shapes = parameterShapes(network)
  return learnedParameters(network.nodes).reduce((sum, name) => sum + elementCount(shapes.get(name)!), 0)
}
