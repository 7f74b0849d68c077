import type { GraphNode, NodeOf } from '@layermill/models'
import { int, microsoft } from '../graph.js'
import { lowerNode, windowAttributes } from '../lower/rules.js'
import type { Int8Context, QuantisedValue } from './context.js'

/** The value that a quantised node computes: its own, or that of the ReLU it does as well. */
function result(node: GraphNode, context: Int8Context): { name: string; target: QuantisedValue } {
  const name = context.plan.fused.get(node.name) ?? node.name
  return { name, target: context.target(`${name}/uint8`, name) }
}

const triple = ({ value, scaleName, zeroName }: QuantisedValue): string[] => [value, scaleName, zeroName]

function conv(node: NodeOf<'conv'>, context: Int8Context): void {
  const input = context.quantised(node.inputs[0]!)
  const { name, target } = result(node, context)
  const { values, scales, zeros, bias } = context.weights(node.name, node.parameters, input.scale)
  const inputs = [...triple(input), values, scales, zeros, target.scaleName, target.zeroName, bias]
  context.emit('QLinearConv', inputs, target.value, windowAttributes(node.attributes))
  context.bindQuantised(name, target)
}

function linear(node: NodeOf<'linear'>, context: Int8Context): void {
  const input = context.quantised(node.inputs[0]!)
  const flat = context.emit('Flatten', [input.value], `${node.name}/flat`, { axis: int(1) })
  const { values, scales, zeros, bias } = context.weights(node.name, node.parameters, input.scale)
  const inputs = [flat, input.scaleName, input.zeroName, values, scales, zeros, bias]
  if (context.plan.dequantised.has(node.name)) {
    context.bind(node.name, context.emit('QGemm', inputs, node.name, { transB: int(1) }, microsoft))
    return
  }
  const { name, target } = result(node, context)
  context.emit('QGemm', [...inputs, target.scaleName, target.zeroName], target.value, { transB: int(1) }, microsoft)
  context.bindQuantised(name, target)
}

function add(node: NodeOf<'add'>, context: Int8Context): void {
  const [a, b] = node.inputs.map(input => context.quantised(input))
  const { name, target } = result(node, context)
  context.emit('QLinearAdd', [...triple(a!), ...triple(b!), target.scaleName, target.zeroName], target.value, {}, microsoft)
  context.bindQuantised(name, target)
}

/** All inputs with the scale of the whole; one that has another (of a pooling, say) is converted. */
function concat(node: NodeOf<'concat'>, context: Int8Context): void {
  const { target } = result(node, context)
  const inputs = node.inputs.map(input => {
    const quantised = context.quantised(input)
    return quantised.scaleName === target.scaleName ? quantised : context.quantise(context.value(input), `${node.name}/${input}`, node.name)
  })
  context.emit(
    'Concat',
    inputs.map(({ value }) => value),
    target.value,
    { axis: int(1) },
  )
  context.bindQuantised(node.name, target)
}

/** Ops that give some of their input's values back. */
function pass(node: GraphNode, context: Int8Context): boolean {
  const [input] = node.inputs
  if (node.op === 'dropout') {
    context.bindSame(node.name, input!)
    return true
  }
  if ((node.op !== 'maxPool' && node.op !== 'flatten') || !context.isQuantised(input!)) return false
  const quantised = context.quantised(input!)
  const output = `${node.name}/uint8`
  if (node.op === 'flatten') context.emit('Flatten', [quantised.value], output, { axis: int(1) })
  else
    context.emit('MaxPool', [quantised.value], output, {
      ...windowAttributes(node.attributes),
      ceil_mode: int(node.attributes.ceil ? 1 : 0),
    })
  context.bindQuantised(node.name, { ...quantised, value: output })
  return true
}

/** Appends the operators that compute one node, in int8 where the plan says so. */
export function lowerInt8Node(node: GraphNode, context: Int8Context): void {
  const { plan } = context
  if ([...plan.fused.values()].includes(node.name) || pass(node, context)) return
  if (plan.quantised.has(node.name)) {
    if (node.op === 'conv') return conv(node, context)
    if (node.op === 'linear') return linear(node, context)
    if (node.op === 'add') return add(node, context)
    if (node.op === 'concat') return concat(node, context)
  }
  lowerNode(node, context)
}
