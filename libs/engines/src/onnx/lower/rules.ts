import type { GraphNode, NodeOf, Size2 } from '@layermill/models'
import { float, int, ints, type OnnxAttribute } from '../graph.js'
import { averagingMatrix } from './adaptive.js'
import type { LoweringContext } from './context.js'
import { lrnAsProducts } from './lrn.js'

/** Appends the operators that compute one node from the ONNX values of its inputs; returns the value that holds the result. */
type Rule<Op extends GraphNode['op']> = (node: NodeOf<Op>, inputs: readonly string[], context: LoweringContext) => string

interface Window {
  readonly kernel: Size2
  readonly stride: Size2
  readonly pad: Size2
}

export function windowAttributes({ kernel, stride, pad }: Window): Record<string, OnnxAttribute> {
  return { kernel_shape: ints(...kernel), strides: ints(...stride), pads: ints(pad[0], pad[1], pad[0], pad[1]) }
}

function elementwise(op: string): (node: GraphNode, inputs: readonly string[], context: LoweringContext) => string {
  return (node, inputs, context) => context.emit(op, inputs, node.name)
}

/**
 * Two products with averaging matrices, over the width and then over the height. They are constants where the input's size is known,
 * else inputs of the graph: ONNX has no operator for adaptive pooling, and no other way serves sizes that do not divide.
 */
const adaptiveAvgPool: Rule<'adaptiveAvgPool'> = (node, [input], context) => {
  const source = node.inputs[0]!
  const known = context.sizeOf(source)
  const [height, width] = node.attributes.size
  if (known?.[0] === height && known[1] === width) return input!
  const matrix = (axis: 'height' | 'width'): string => {
    const name = `${node.name}/${axis}`
    const parts = axis === 'height' ? height : width
    if (known === undefined) {
      context.averaging.push({ name, source, axis, parts })
      return name
    }
    const length = axis === 'height' ? known[0] : known[1]
    const shape = axis === 'height' ? [parts, length] : [length, parts]
    return context.constant(name, { type: 'float32', shape, data: averagingMatrix(parts, length, axis === 'width') })
  }
  const rows = context.emit('MatMul', [input!, matrix('width')], `${node.name}/rows`)
  return context.emit('MatMul', [matrix('height'), rows], node.name)
}

export const rules: { readonly [Op in Exclude<GraphNode['op'], 'input'>]: Rule<Op> } = {
  conv: (node, [input], context) => {
    const { weight, bias } = node.parameters
    const inputs = [input!, context.weight(weight), ...(bias === undefined ? [] : [context.weight(bias)])]
    return context.emit('Conv', inputs, node.name, windowAttributes(node.attributes))
  },
  batchNorm: (node, [input], context) => {
    const { gamma, beta, mean, variance } = node.parameters
    const inputs = [input!, ...[gamma, beta, mean, variance].map(name => context.weight(name))]
    return context.emit('BatchNormalization', inputs, node.name, { epsilon: float(node.attributes.epsilon) })
  },
  relu: elementwise('Relu'),
  maxPool: (node, inputs, context) =>
    context.emit('MaxPool', inputs, node.name, { ...windowAttributes(node.attributes), ceil_mode: int(node.attributes.ceil ? 1 : 0) }),
  avgPool: (node, inputs, context) =>
    context.emit('AveragePool', inputs, node.name, { ...windowAttributes(node.attributes), count_include_pad: int(1) }),
  globalAvgPool: elementwise('GlobalAveragePool'),
  adaptiveAvgPool,
  lrn: (node, inputs, context) => {
    const channels = context.lrnChannels?.get(node.name)
    if (channels !== undefined) return lrnAsProducts(context, node, inputs[0]!, channels)
    const { size, alpha, beta, k } = node.attributes
    // ONNX divides alpha by the size, the network's table has it divided already.
    return context.emit('LRN', inputs, node.name, { size: int(size), alpha: float(alpha * size), beta: float(beta), bias: float(k) })
  },
  linear: (node, [input], context) => {
    const flat = context.emit('Flatten', [input!], `${node.name}/flat`, { axis: int(1) })
    const inputs = [flat, context.weight(node.parameters.weight), context.weight(node.parameters.bias)]
    return context.emit('Gemm', inputs, node.name, { transB: int(1) })
  },
  dropout: (_node, [input]) => input!,
  softmax: (node, inputs, context) => context.emit('Softmax', inputs, node.name, { axis: int(1) }),
  sigmoid: elementwise('Sigmoid'),
  slice: (node, inputs, context) => {
    const ends = Object.entries({ ...node.attributes, axis: 1 }).map(([name, value]) => context.integers(`${node.name}/${name}`, [value]))
    return context.emit('Slice', [...inputs, ...ends], node.name)
  },
  concat: (node, inputs, context) => context.emit('Concat', inputs, node.name, { axis: int(1) }),
  add: elementwise('Add'),
  flatten: (node, inputs, context) => context.emit('Flatten', inputs, node.name, { axis: int(1) }),
}

type AnyRule = (node: GraphNode, inputs: readonly string[], context: LoweringContext) => string

/** Appends the operators that compute one node in float32. */
export function lowerNode(node: GraphNode, context: LoweringContext): void {
  const rule = rules[node.op as Exclude<GraphNode['op'], 'input'>] as AnyRule
  context.bind(
    node.name,
    rule(
      node,
      node.inputs.map(name => context.value(name)),
      context,
    ),
  )
}
