import type { NodeOf } from '@layermill/models'
import { float, int, ints } from '../graph.js'
import { emitConv, inputGradient, weightGradient } from './conv.js'
import type { TrainingContext } from './context.js'
import type { ConvBatchNorm } from './plan.js'

/** 1 / sqrt(variance + epsilon) of the stored statistics, computed in float64. */
function storedInverse(context: TrainingContext, { parameters, attributes }: NodeOf<'batchNorm'>): Float32Array {
  return Float32Array.from(context.parameterData(parameters.variance), value => 1 / Math.sqrt(value + attributes.epsilon))
}

/** Names of values that the backward pass reads again. */
const saved = (node: string) => ({
  weight: `${node}/weight`,
  scale: `${node}/scale`,
  inverse: `${node}/inverse`,
  mean: `${node}/mean`,
  variance: `${node}/variance`,
  centred: `${node}/centred`,
})

/** weight * scale and beta + (bias - mean) * scale, where scale = gamma / sqrt(variance + epsilon). */
export function convBatchNormForward(node: ConvBatchNorm, [input]: readonly string[], context: TrainingContext): string {
  const { conv, batchNorm, name } = node
  const names = saved(name)
  const inverse = context.constant(names.inverse, vector(storedInverse(context, batchNorm)))
  const mean = context.constant(names.mean, vector(context.parameterData(batchNorm.parameters.mean)))
  const scale = context.emit('Mul', [context.weight(batchNorm.parameters.gamma), inverse], names.scale)
  const weight = context.emit('Mul', [context.weight(conv.parameters.weight), context.reshape(scale, -1, 1, 1, 1)], names.weight)
  const { bias } = conv.parameters
  const centre = bias === undefined ? context.op('Neg', [mean]) : context.op('Sub', [context.weight(bias), mean])
  const shift = context.op('Add', [context.weight(batchNorm.parameters.beta), context.op('Mul', [centre, scale])])
  return emitConv(context, { name, source: conv.inputs[0]!, attributes: conv.attributes, inputs: [input!, weight, shift] })
}

const vector = (data: Float32Array) => ({ type: 'float32', shape: [data.length], data }) as const

export function convBatchNormBackward(node: ConvBatchNorm, gradient: string, context: TrainingContext): void {
  const { conv, batchNorm, name } = node
  const names = saved(name)
  const source = conv.inputs[0]!
  const { weight, bias } = conv.parameters
  const { gamma, beta } = batchNorm.parameters
  const values = { attributes: conv.attributes, source, target: name, input: context.raw(source), weight: names.weight, gradient }
  if (context.needs(source)) context.accumulate(source, inputGradient(context, values))

  const learnsWeight = context.learns(weight)
  const learnsGamma = context.learns(gamma)
  if (![weight, bias, gamma, beta].some(parameter => context.learns(parameter))) return
  const shift = context.layouts.channelSum(gradient)
  if (context.learns(beta)) context.setParameterGradient(beta, shift)
  if (context.learns(bias)) context.setParameterGradient(bias, context.op('Mul', [shift, names.scale]))
  if (!learnsWeight && !learnsGamma) return
  const product = weightGradient(context, values)
  if (learnsWeight) context.setParameterGradient(weight, context.op('Mul', [product, context.reshape(names.scale, -1, 1, 1, 1)]))
  if (!learnsGamma) return
  const ofWeight = context.op('ReduceSum', [context.op('Mul', [product, context.weight(weight)]), context.ints(1, 2, 3)], {
    keepdims: int(0),
  })
  const centre = bias === undefined ? context.op('Neg', [names.mean]) : context.op('Sub', [context.weight(bias), names.mean])
  const ofScale = context.op('Add', [ofWeight, context.op('Mul', [shift, centre])])
  context.setParameterGradient(gamma, context.op('Mul', [ofScale, names.inverse]))
}

const mean = (context: TrainingContext, value: string, name?: string): string =>
  name === undefined
    ? context.op('ReduceMean', [value], { axes: ints(0, 2, 3), keepdims: int(0) })
    : context.emit('ReduceMean', [value], name, { axes: ints(0, 2, 3), keepdims: int(0) })

const byChannel = (context: TrainingContext, value: string): string => context.reshape(value, 1, -1, 1, 1)

/** scale * value + shift by channel, in one pass: batch norm with mean 0 and variance 1. */
function affine(context: TrainingContext, value: string, scale: string, shift: string, channels: number): string {
  const zeros = context.constant(`zeros/${channels}`, vector(new Float32Array(channels)))
  const ones = context.constant(`ones/${channels}`, vector(new Float32Array(channels).fill(1)))
  return context.op('BatchNormalization', [value, scale, shift, zeros, ones], { epsilon: float(0) })
}

/** With stored statistics a factor and a summand; with the batch's, its mean and variance are computed and given out. */
export function batchNormForward(node: NodeOf<'batchNorm'>, [input]: readonly string[], context: TrainingContext): string {
  const names = saved(node.name)
  const { gamma, beta, mean: meanParameter, variance } = node.parameters
  if (!context.ofBatch(node.name)) {
    const stored = [gamma, beta, meanParameter, variance].map(name => context.weight(name))
    return context.emit('BatchNormalization', [input!, ...stored], node.name, { epsilon: float(node.attributes.epsilon) })
  }
  mean(context, input!, names.mean)
  context.emit('Sub', [input!, byChannel(context, names.mean)], names.centred)
  mean(context, context.op('Mul', [names.centred, names.centred]), names.variance)
  const deviation = context.op('Sqrt', [context.op('Add', [names.variance, context.floats(node.attributes.epsilon)])])
  context.emit('Reciprocal', [deviation], names.inverse)
  context.emit('Mul', [context.weight(gamma), names.inverse], names.scale)
  const [channels, height, width] = context.shape(node.name)
  const prefix = meanParameter.slice(0, meanParameter.lastIndexOf('/'))
  const statistics = { mean: names.mean, variance: names.variance, channels: channels!, elementsPerImage: height! * width! }
  context.statistics.set(prefix, statistics)
  return affine(context, names.centred, names.scale, context.weight(beta), channels!)
}

export function batchNormBackward(node: NodeOf<'batchNorm'>, gradient: string, context: TrainingContext): void {
  if (context.ofBatch(node.name)) backwardOfBatch(node, gradient, context)
  else backwardOfStored(node, gradient, context)
}

function backwardOfStored(node: NodeOf<'batchNorm'>, gradient: string, context: TrainingContext): void {
  const { gamma, beta, mean: meanParameter } = node.parameters
  const inverse = context.floats(storedInverse(context, node))
  const source = node.inputs[0]!
  if (context.learns(beta)) context.setParameterGradient(beta, context.layouts.channelSum(gradient))
  if (context.learns(gamma)) {
    const centred = context.op('Sub', [context.value(source), byChannel(context, context.weight(meanParameter))])
    const product = context.layouts.channelSum(context.op('Mul', [gradient, centred]))
    context.setParameterGradient(gamma, context.op('Mul', [product, inverse]))
  }
  if (!context.needs(source)) return
  const scale = context.op('Mul', [context.weight(gamma), inverse])
  context.accumulate(source, context.op('Mul', [gradient, byChannel(context, scale)]))
}

/** dx = scale * (dy - mean(dy) - xhat * mean(dy * xhat)), where xhat = centred * inverse. */
function backwardOfBatch(node: NodeOf<'batchNorm'>, gradient: string, context: TrainingContext): void {
  const names = saved(node.name)
  const { gamma, beta } = node.parameters
  const source = node.inputs[0]!
  const product = context.op('Mul', [gradient, names.centred])
  if (context.learns(beta)) context.setParameterGradient(beta, context.layouts.channelSum(gradient))
  if (context.learns(gamma)) context.setParameterGradient(gamma, context.op('Mul', [context.layouts.channelSum(product), names.inverse]))
  if (!context.needs(source)) return
  const [channels] = context.shape(node.name)
  const shift = context.op('Neg', [context.op('Mul', [names.scale, mean(context, gradient)])])
  const squared = context.op('Mul', [names.inverse, names.inverse])
  const correction = context.op('Mul', [context.op('Mul', [names.scale, squared]), mean(context, product)])
  const scaled = affine(context, gradient, names.scale, shift, channels!)
  context.accumulate(source, context.op('Sub', [scaled, context.op('Mul', [names.centred, byChannel(context, correction)])]))
}
