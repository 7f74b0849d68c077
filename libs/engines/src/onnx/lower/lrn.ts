import type { GraphNode, NodeOf } from '@layermill/models'
import { ints } from '../graph.js'
import type { LoweringContext } from './context.js'

/** Names of values that training's backward pass reads again. */
export const lrnNames = (node: string) => ({ squares: `${node}/squares`, sum: `${node}/sum`, power: `${node}/power` })

/** `shift` plus `factor` times the sum over the neighbouring channels: a 1x1 convolution, which has the blocked layout and all threads. */
export function neighbourSum(
  context: LoweringContext,
  node: NodeOf<'lrn'>,
  { value, name, channels, factor, shift }: { value: string; name: string; channels: number; factor: number; shift?: number },
): string {
  const { size } = node.attributes
  const before = Math.floor((size - 1) / 2)
  const band = new Float32Array(channels * channels)
  for (let to = 0; to < channels; to++) {
    for (let from = Math.max(0, to - before); from <= Math.min(channels - 1, to - before + size - 1); from++)
      band[to * channels + from] = factor
  }
  const weight = context.constant(`${name}/band`, { type: 'float32', shape: [channels, channels, 1, 1], data: band })
  const bias = { type: 'float32', shape: [channels], data: new Float32Array(channels).fill(shift ?? 0) } as const
  const inputs = [value, weight, ...(shift === undefined ? [] : [context.constant(`${name}/shift`, bias)])]
  return context.emit('Conv', inputs, name, { kernel_shape: ints(1, 1) })
}

/** sum^beta; without a general power for the beta of all published networks, 3/4. */
function power(context: LoweringContext, value: string, beta: number, name: string): string {
  if (beta !== 0.75) {
    return context.emit('Pow', [value, context.constant(`${name}/beta`, { type: 'float32', shape: [], data: Float32Array.of(beta) })], name)
  }
  const root = context.emit('Sqrt', [value], `${name}/half`)
  return context.emit('Mul', [root, context.emit('Sqrt', [root], `${name}/quarter`)], name)
}

/**
 * sum = k + alpha * neighbours' squares; value = x / sum^beta: several times faster on the CPU than the runtime's LRN, within its rounding.
 */
export function lrnAsProducts(context: LoweringContext, node: NodeOf<'lrn'>, input: string, channels: number): string {
  const { alpha, beta, k } = node.attributes
  const names = lrnNames(node.name)
  const squares = context.emit('Mul', [input, input], names.squares)
  const sum = neighbourSum(context, node, { value: squares, name: names.sum, channels, factor: alpha, shift: k })
  return context.emit('Div', [input, power(context, sum, beta, names.power)], node.name)
}

/** Channels of every node's value [N, channels, H, W], in topological order; flat values are of no account. */
export function channelCounts(nodes: readonly GraphNode[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const node of nodes) {
    const given = node.inputs.map(input => counts.get(input) ?? 0)
    if (node.op === 'input') counts.set(node.name, node.attributes.channels)
    else if (node.op === 'conv') counts.set(node.name, node.attributes.outChannels)
    else counts.set(node.name, node.op === 'concat' ? given.reduce((sum, count) => sum + count, 0) : given[0]!)
  }
  return counts
}
