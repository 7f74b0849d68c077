import type { NodeOf } from '@layermill/models'
import { ints } from '../graph.js'
import type { TrainingContext } from './context.js'

const saved = (node: string) => ({ sum: `${node}/sum`, power: `${node}/power` })

/** `shift` plus `factor` times the sum over the neighbouring channels: a 1x1 convolution, which has the blocked layout and all threads. */
function neighbourSum(context: TrainingContext, value: string, node: NodeOf<'lrn'>, { factor, shift }: { factor: number; shift?: number }): string {
  const [channels] = context.shape(node.name) as [number, number, number]
  const { size } = node.attributes
  const before = Math.floor((size - 1) / 2)
  const band = new Float32Array(channels * channels)
  for (let to = 0; to < channels; to++) {
    for (let from = Math.max(0, to - before); from <= Math.min(channels - 1, to - before + size - 1); from++) band[to * channels + from] = factor
  }
  const weight = context.floats(band, [channels, channels, 1, 1])
  const bias = shift === undefined ? [] : [context.floats(new Float32Array(channels).fill(shift))]
  return context.op('Conv', [value, weight, ...bias], { kernel_shape: ints(1, 1) })
}

/** sum^beta; without a general power for the beta of all published networks, 3/4. */
function power(context: TrainingContext, value: string, beta: number, name: string): string {
  if (beta !== 0.75) return context.emit('Pow', [value, context.floats(beta)], name)
  const root = context.op('Sqrt', [value])
  return context.emit('Mul', [root, context.op('Sqrt', [root])], name)
}

/** sum = k + alpha * neighbours' squares; value = x / sum^beta. */
export function lrnForward(node: NodeOf<'lrn'>, [input]: readonly string[], context: TrainingContext): string {
  const { alpha, beta, k } = node.attributes
  const names = saved(node.name)
  const sum = neighbourSum(context, context.op('Mul', [input!, input!]), node, { factor: alpha, shift: k })
  // The backward pass finds it by this name.
  context.emit('Identity', [sum], names.sum)
  return context.emit('Div', [input!, power(context, names.sum, beta, names.power)], node.name)
}

/** dx = g / sum^beta - 2 alpha beta x * neighbours' (g * value / sum). The neighbours of an even size lie the other way round. */
export function lrnBackward(node: NodeOf<'lrn'>, gradient: string, context: TrainingContext): void {
  const { alpha, beta, size } = node.attributes
  if (size % 2 === 0) throw new RangeError(`${node.name} normalises over an even number of channels, ${size}`)
  const names = saved(node.name)
  const source = node.inputs[0]!
  const weighted = context.op('Div', [context.op('Mul', [gradient, node.name]), names.sum])
  const spread = context.op('Mul', [context.value(source), neighbourSum(context, weighted, node, { factor: 2 * alpha * beta })])
  context.accumulate(source, context.op('Sub', [context.op('Div', [gradient, names.power]), spread]))
}
