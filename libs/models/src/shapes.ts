import { elementCount, formatShape, LayermillError } from '@layermill/core'
import type { GraphNode, NodeOf, Size2 } from './graph.js'
import { pruneNodes, resolveLayers } from './network.js'
import type { Network } from './types.js'

/** An activation's shape without the batch: [C, H, W] or [features]. */
export type Shape = readonly number[]

type ShapeRule<Op extends GraphNode['op']> = (node: NodeOf<Op>, inputs: readonly Shape[], inputSize: Size2) => Shape

/**
 * Output length of a sliding window over `input` cells. `ceil`: the last window may hang over, but not start behind the input and its
 * padding.
 */
export function pooledSize(input: number, kernel: number, stride: number, pad: number, ceil: boolean): number {
  const span = (input + 2 * pad - kernel) / stride
  const size = (ceil ? Math.ceil(span) : Math.floor(span)) + 1
  return ceil && pad > 0 && (size - 1) * stride >= input + pad ? size - 1 : size
}

interface Window {
  kernel: Size2
  stride: Size2
  pad: Size2
  ceil?: boolean
}

const slide = ([height, width]: Size2, { kernel, stride, pad, ceil = false }: Window): Size2 => [
  pooledSize(height, kernel[0], stride[0], pad[0], ceil),
  pooledSize(width, kernel[1], stride[1], pad[1], ceil),
]

const spatial = (shape: Shape): Size2 => [shape[1]!, shape[2]!]
const same = (_node: GraphNode, [shape]: readonly Shape[]): Shape => shape!
const pool = (node: NodeOf<'maxPool' | 'avgPool'>, [shape]: readonly Shape[]): Shape => [
  shape![0]!,
  ...slide(spatial(shape!), node.attributes),
]

const rules: { [Op in GraphNode['op']]: ShapeRule<Op> } = {
  input: ({ attributes: { channels, shape } }, _inputs, [height, width]) => shape ?? [channels, height, width],
  conv: (node, [shape]) => [node.attributes.outChannels, ...slide(spatial(shape!), node.attributes)],
  batchNorm: same,
  relu: same,
  maxPool: pool,
  avgPool: pool,
  globalAvgPool: (_node, [shape]) => [shape![0]!, 1, 1],
  adaptiveAvgPool: (node, [shape]) => [shape![0]!, ...node.attributes.size],
  lrn: same,
  linear: (node, [shape]) => {
    if (elementCount(shape!) === node.attributes.inFeatures) return [node.attributes.outFeatures]
    throw new LayermillError('INPUT_SIZE', `${node.name} takes ${node.attributes.inFeatures} features, not ${formatShape(shape!)}`)
  },
  dropout: same,
  softmax: same,
  sigmoid: same,
  slice: ({ attributes: { from, to } }) => [to - from],
  concat: (_node, shapes) => [shapes.reduce((sum, shape) => sum + shape[0]!, 0), ...shapes[0]!.slice(1)],
  add: same,
  flatten: (_node, [shape]) => [elementCount(shape!)],
}

function shapeOf(node: GraphNode, shapes: ReadonlyMap<string, Shape>, inputSize: Size2): Shape {
  const rule = rules[node.op] as ShapeRule<GraphNode['op']>
  const shape = rule(
    node,
    node.inputs.map(input => shapes.get(input)!),
    inputSize,
  )
  if (shape.every(size => size >= 1)) return shape
  const [given] = node.inputs.map(input => shapes.get(input)!)
  throw new LayermillError(
    'INPUT_SIZE',
    `${node.name} works on maps of ${given === undefined ? formatShape(inputSize) : formatShape(given.slice(1))} here: the images are too small for it`,
  )
}

/**
 * Shapes of nodes (in topological order) at an input size, without the batch.
 * @throws LayermillError `INPUT_SIZE` where a node cannot take that size.
 */
export function inferShapes(nodes: readonly GraphNode[], inputSize: Size2): Map<string, Shape> {
  const shapes = new Map<string, Shape>()
  for (const node of nodes) shapes.set(node.name, shapeOf(node, shapes, inputSize))
  return shapes
}

/**
 * Shapes of public layers, without the batch, at an input size (default: the network's own).
 * @throws LayermillError `LAYER_UNKNOWN`; `INPUT_SIZE` naming the layer and the size it needs.
 */
export function layerShapes(network: Network, layers: readonly string[], inputSize: Size2 = network.inputSize): Map<string, Shape> {
  const { graph } = network
  if (graph !== undefined) return new Map(layers.map(layer => [layer, graph.shape(layer, inputSize)]))
  const result = new Map<string, Shape>()
  const nodeNames = resolveLayers(network, layers)
  for (const [i, layer] of layers.entries()) {
    const node = nodeNames[i]!
    try {
      result.set(layer, inferShapes(pruneNodes(network.nodes, [node]), inputSize).get(node)!)
    } catch (cause) {
      if (!(cause instanceof LayermillError)) throw cause
      const [height, width] = network.inputSize
      throw new LayermillError(
        'INPUT_SIZE',
        `layer ${layer} of ${network.id} cannot be computed from ${inputSize[1]}x${inputSize[0]} images`,
        {
          hint: `${cause.message}; use --size ${width}x${height}, or a layer before it`,
          cause,
        },
      )
    }
  }
  return result
}

/** Names and shapes of all parameters, in the order of the graph. Convolutions [out, in, kh, kw], linear [out, in], else [channels]. */
export function parameterShapes(network: Pick<Network, 'nodes' | 'inputSize'>): Map<string, Shape> {
  const shapes = inferShapes(network.nodes, network.inputSize)
  const parameters = new Map<string, Shape>()
  for (const node of network.nodes) {
    const channels = (name: string): number => shapes.get(name)![0]!
    switch (node.op) {
      case 'conv':
        parameters.set(node.parameters.weight, [node.attributes.outChannels, channels(node.inputs[0]!), ...node.attributes.kernel])
        if (node.parameters.bias !== undefined) parameters.set(node.parameters.bias, [node.attributes.outChannels])
        break
      case 'batchNorm':
        for (const name of Object.values(node.parameters)) parameters.set(name, [channels(node.name)])
        break
      case 'linear':
        parameters.set(node.parameters.weight, [node.attributes.outFeatures, node.attributes.inFeatures])
        parameters.set(node.parameters.bias, [node.attributes.outFeatures])
        break
      default:
    }
  }
  return parameters
}
