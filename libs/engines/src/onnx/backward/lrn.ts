import type { NodeOf } from '@layermill/models'
import { lrnAsProducts, lrnNames, neighbourSum } from '../lower/lrn.js'
import type { TrainingContext } from './context.js'

export function lrnForward(node: NodeOf<'lrn'>, [input]: readonly string[], context: TrainingContext): string {
  return lrnAsProducts(context, node, input!, context.shape(node.name)[0]!)
}

/** dx = g / sum^beta - 2 alpha beta x * neighbours' (g * value / sum). The neighbours of an even size lie the other way round. */
export function lrnBackward(node: NodeOf<'lrn'>, gradient: string, context: TrainingContext): void {
  const { alpha, beta, size } = node.attributes
  if (size % 2 === 0) throw new RangeError(`${node.name} normalises over an even number of channels, ${size}`)
  const names = lrnNames(node.name)
  const source = node.inputs[0]!
  const value = context.op('Div', [context.op('Mul', [gradient, node.name]), names.sum])
  const channels = context.shape(node.name)[0]!
  const sum = neighbourSum(context, node, { value, name: `${node.name}/spread`, channels, factor: 2 * alpha * beta })
  const spread = context.op('Mul', [context.value(source), sum])
  context.accumulate(source, context.op('Sub', [context.op('Div', [gradient, names.power]), spread]))
}
