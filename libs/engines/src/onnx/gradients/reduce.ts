import { int } from '../graph.js'
import type { GradientContext, GradientNode, GradientRule } from './context.js'

/** Something that a value over axes has, spread to all elements that it was made of. */
function spreadOut(node: GradientNode, value: string, context: GradientContext): string {
  const source = node.inputs[0]!
  const axes = context.axes(node, 1)
  const kept = node.int('keepdims', 1) === 1 ? value : context.op('Unsqueeze', [value, context.ints(...axes.toSorted((a, b) => a - b))])
  return context.op('Expand', [kept, context.shapeOf(source)])
}

/** The rule of a sum of something: the gradient, spread, times a derivative of each element. */
const times =
  (derivative: (spread: string, node: GradientNode, context: GradientContext) => string): GradientRule =>
  (node, gradient, context) =>
    context.accumulate(node.inputs[0], () => derivative(spreadOut(node, gradient, context), node, context))

/** Of a length, the unit vector; 0 where the length is 0, as in PyTorch. */
const length: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const share = context.op('Div', [gradient, context.op('Max', [node.output, context.number(1e-30)])])
    return context.mul(spreadOut(node, share, context), node.inputs[0]!)
  })

/** Shared between all elements that are as large, or as small, as the result. */
const extreme: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const mask = context.mask('Equal', node.inputs[0]!, spreadOut(node, node.output, context))
    const count = context.sum(mask, context.axes(node, 1))
    return context.op('Div', [context.mul(spreadOut(node, gradient, context), mask), count])
  })

/** How many elements of a value make one of a mean. */
export function countOf(source: string, mean: string, context: GradientContext): string {
  const size = (value: string): string => context.op('Cast', [context.op('Size', [value])], { to: int(1) })
  return context.op('Div', [size(source), size(mean)])
}

const globalMean: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    return context.op('Div', [context.op('Expand', [gradient, context.shapeOf(source)]), countOf(source, node.output, context)])
  })

const globalMaximum: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const mask = context.mask('Equal', source, node.output)
    const maps = context.dims(source).flatMap((_, axis) => (axis < 2 ? [] : [axis]))
    return context.mul(context.op('Div', [gradient, context.sum(mask, maps)]), mask)
  })

/** Rules of what adds up elements, or picks one of them. */
export const reducingRules: Readonly<Record<string, GradientRule>> = {
  GlobalAveragePool: globalMean,
  GlobalMaxPool: globalMaximum,
  ReduceL1: times((spread, node, context) => context.mul(spread, context.op('Sign', [node.inputs[0]!]))),
  ReduceL2: length,
  ReduceLogSumExp: times((spread, node, context) =>
    context.mul(spread, context.op('Exp', [context.sub(node.inputs[0]!, spreadOut(node, node.output, context))])),
  ),
  ReduceMax: extreme,
  ReduceMean: times((spread, node, context) => context.op('Div', [spread, countOf(node.inputs[0]!, node.output, context)])),
  ReduceMin: extreme,
  ReduceSum: times(spread => spread),
  ReduceSumSquare: times((spread, node, context) => context.mul(spread, context.mul(node.inputs[0]!, 2))),
}
