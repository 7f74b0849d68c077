import { int } from '../graph.js'
import { axisOf, type GradientContext, type GradientRule } from './context.js'
import { Parts } from './parts.js'
import { countOf } from './reduce.js'

/** The last two axes exchanged. */
function flipped(value: string, context: GradientContext): string {
  const rank = context.dims(value).length
  const order = Array.from({ length: rank }, (_, i) => i)
  return context.transpose(value, ...order.slice(0, -2), rank - 1, rank - 2)
}

/** A vector is a row before a matrix, and a column behind one. */
function vectorProduct(a: string, b: string, output: string, gradient: string, context: GradientContext): void {
  const parts = new Parts(context)
  const [left, right] = [context.dims(a), context.dims(b)]
  const row = left.length < 2 ? parts.op('Unsqueeze', [a, context.ints(0)], [1, ...left]) : a
  const column = right.length < 2 ? parts.op('Unsqueeze', [b, context.ints(1)], [...right, 1]) : b
  const product = parts.reshapeLike(parts.matMul(row, column), output)
  context.accumulate(product, () => gradient)
  parts.differentiate()
}

const matMul: GradientRule = ({ inputs: [a, b], output }, gradient, context) => {
  const [ranks, rank] = [[context.dims(a!).length, context.dims(b!).length] as const, context.dims(output).length]
  if (ranks[0] < 2 || ranks[1] < 2) return vectorProduct(a!, b!, output, gradient, context)
  context.accumulateSpread(a, output, () => context.op('MatMul', [gradient, flipped(b!, context)]))
  context.accumulate(b, () => {
    if (ranks[1] === 2 && rank > 2) {
      // All rows of all products at once.
      const inner = context.known(b!, 0)
      const outer = context.known(b!, 1)
      return context.op('Gemm', [context.reshape(a!, -1, inner), context.reshape(gradient, -1, outer)], { transA: int(1) })
    }
    return unspreadProduct(context.op('MatMul', [flipped(a!, context), gradient]), b!, output, context)
  })
}

/** Leading axes that an operand was spread over are added up. */
function unspreadProduct(gradient: string, value: string, result: string, context: GradientContext): string {
  const [from, to] = [context.dims(value), context.dims(result)]
  const missing = to.length - from.length
  const axes = to.slice(0, -2).flatMap((side, axis) => (axis < missing || (from[axis - missing] === 1 && side !== 1) ? [axis] : []))
  const summed = context.sum(gradient, axes)
  return missing === 0 ? summed : context.reshapeLike(summed, value)
}

const gemm: GradientRule = (node, gradient, context) => {
  const [a, b, c] = node.inputs as [string, string, string | undefined]
  const [transA, transB] = [node.int('transA', 0) === 1, node.int('transB', 0) === 1]
  const alpha = node.float('alpha', 1)
  const product = (left: string, right: string, leftFlips: boolean, rightFlips: boolean): string => {
    const made = context.op('Gemm', [left, right], { transA: int(leftFlips ? 1 : 0), transB: int(rightFlips ? 1 : 0) })
    return alpha === 1 ? made : context.mul(made, alpha)
  }
  context.accumulate(a, () => (transA ? product(b, gradient, transB, true) : product(gradient, b, false, !transB)))
  context.accumulate(b, () => (transB ? product(gradient, a, true, transA) : product(a, gradient, !transA, false)))
  const beta = node.float('beta', 1)
  context.accumulateSpread(c, node.output, () => (beta === 1 ? gradient : context.mul(gradient, beta)))
}

/** p * (g - sum(g * p)) for probabilities p. */
const softmax: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const { output } = node
    const axis = axisOf(node.int('axis', -1), context.dims(output).length)
    const sum = context.sum(context.mul(gradient, output), [axis])
    return context.mul(output, context.sub(gradient, sum))
  })

const logSoftmax: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const { output } = node
    const axis = axisOf(node.int('axis', -1), context.dims(output).length)
    return context.sub(gradient, context.mul(context.op('Exp', [output]), context.sum(gradient, [axis])))
  })

/** Gradients of (x - mean) * inverse deviation * scale + bias, mean and deviation being those of the last axes. */
const layerNorm: GradientRule = (node, gradient, context) => {
  const [source, scale, bias] = node.inputs as [string, string, string | undefined]
  const rank = context.dims(source).length
  const first = axisOf(node.int('axis', -1), rank)
  const inner = Array.from({ length: rank - first }, (_, i) => first + i)
  const outer = Array.from({ length: first }, (_, i) => i)
  const total = (value: string): string => context.sum(value, inner)
  const count = countOf(source, total(source), context)
  const mean = (value: string): string => context.op('Div', [total(value), count])
  const centred = context.sub(source, mean(source))
  const variance = mean(context.mul(centred, centred))
  const inverse = context.op('Reciprocal', [context.op('Sqrt', [context.add(variance, node.float('epsilon', 1e-5))])])
  const normal = context.mul(centred, inverse)
  context.accumulate(source, () => {
    const scaled = context.mul(gradient, scale)
    const shared = context.add(mean(scaled), context.mul(normal, mean(context.mul(scaled, normal))))
    return context.mul(context.sub(scaled, shared), inverse)
  })
  const perScale = (value: string, like: string): string => context.reshapeLike(context.sum(value, outer), like)
  context.accumulate(scale, () => perScale(context.mul(gradient, normal), scale))
  context.accumulate(bias, () => perScale(gradient, bias!))
}

/** With stored statistics: a factor and a summand of each channel. */
const batchNorm: GradientRule = (node, gradient, context) => {
  const [source, scale, bias, mean, variance] = node.inputs as [string, string, string, string, string]
  const rank = context.dims(source).length
  const channel = [1, -1, ...Array.from({ length: rank - 2 }, () => 1)]
  const others = Array.from({ length: rank }, (_, i) => i).filter(axis => axis !== 1)
  const wide = (value: string): string => context.reshape(value, ...channel)
  const inverse = context.op('Reciprocal', [context.op('Sqrt', [context.add(variance, node.float('epsilon', 1e-5))])])
  context.accumulate(source, () => context.mul(gradient, wide(context.mul(scale, inverse))))
  context.accumulate(scale, () => {
    const normal = context.mul(context.sub(source, wide(mean)), wide(inverse))
    return context.reshapeLike(context.sum(context.mul(gradient, normal), others), scale)
  })
  context.accumulate(bias, () => context.reshapeLike(context.sum(gradient, others), bias))
}

/** Rules of products and of what is normalised. */
export const productRules: Readonly<Record<string, GradientRule>> = {
  BatchNormalization: batchNorm,
  Gemm: gemm,
  LayerNormalization: layerNorm,
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Softmax: softmax,
}
