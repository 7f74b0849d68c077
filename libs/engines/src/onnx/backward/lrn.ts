import type { NodeOf } from '@layermill/models'
import { int, ints } from '../graph.js'
import type { TrainingContext } from './context.js'

const saved = (node: string) => ({ sum: `${node}/sum`, power: `${node}/power` })

/** Sums over `size` neighbouring channels, as an average pool along the channels. */
function neighbourSum(context: TrainingContext, value: string, node: NodeOf<'lrn'>): string {
  const { size } = node.attributes
  const [channels, height, width] = context.shape(node.name)
  const before = Math.floor((size - 1) / 2)
  const flat = context.reshape(value, -1, 1, channels!, height! * width!)
  const pool = { kernel_shape: ints(size, 1), strides: ints(1, 1), pads: ints(before, 0, size - 1 - before, 0), count_include_pad: int(1) }
  const sum = context.op('Mul', [context.op('AveragePool', [flat], pool), context.floats(size)])
  return context.reshape(sum, -1, channels!, height!, width!)
}

/** sum^-beta; without a general power for the beta of all published networks, 3/4. */
function negativePower(context: TrainingContext, value: string, beta: number, name: string): string {
  if (beta !== 0.75) return context.emit('Pow', [value, context.floats(-beta)], name)
  const root = context.op('Sqrt', [value])
  const power = context.op('Mul', [root, context.op('Sqrt', [root])])
  return context.emit('Reciprocal', [power], name)
}

/** sum = k + alpha * neighbours' squares; value = x * sum^-beta. */
export function lrnForward(node: NodeOf<'lrn'>, [input]: readonly string[], context: TrainingContext): string {
  const { alpha, beta, k } = node.attributes
  const names = saved(node.name)
  const squares = neighbourSum(context, context.op('Mul', [input!, input!]), node)
  context.emit('Add', [context.op('Mul', [squares, context.floats(alpha)]), context.floats(k)], names.sum)
  const power = negativePower(context, names.sum, beta, names.power)
  return context.emit('Mul', [input!, power], node.name)
}

/** dx = g * sum^-beta - 2 alpha beta x * neighbours' (g * value / sum). The neighbours of an even size lie the other way round. */
export function lrnBackward(node: NodeOf<'lrn'>, gradient: string, context: TrainingContext): void {
  const { alpha, beta, size } = node.attributes
  if (size % 2 === 0) throw new RangeError(`${node.name} normalises over an even number of channels, ${size}`)
  const names = saved(node.name)
  const source = node.inputs[0]!
  const weighted = context.op('Div', [context.op('Mul', [gradient, node.name]), names.sum])
  const spread = context.op('Mul', [context.op('Mul', [context.value(source), context.floats(2 * alpha * beta)]), neighbourSum(context, weighted, node)])
  context.accumulate(source, context.op('Sub', [context.op('Mul', [gradient, names.power]), spread]))
}
