/** One rule per op: a network's node through TensorFlow.js operators. Values are [N, H, W, C] or [N, features]. */
import * as tf from '@tensorflow/tfjs-core'
import { pooledSize, type GraphNode, type NodeOf, type Size2 } from '@layermill/models'
import type { TrainingNode, TrainingNodeOf, TrainingOp } from '../onnx/backward/plan.js'
import { averagingMatrix } from '../onnx/lower/adaptive.js'

/** Context of the rules: what they read besides values, and tell besides their result. */
export interface RuleContext {
  /** A parameter as the weights have it: linear [out, in], else [channels]. */
  parameter(name: string): tf.Tensor
  /** A convolution's weight as [height, width, in, out]. */
  filter(name: string): tf.Tensor4D
  /** Whether a batch norm uses the batch's own statistics. Default: none does. */
  readonly ofBatch?: (norm: string) => boolean
  /** Told of the mean and variance of such a batch norm; the variance divides by the count. */
  readonly onStatistics?: (node: string, mean: tf.Tensor, variance: tf.Tensor, count: number) => void
  /** A dropout's mask in the layout of its value, where dropout is on. */
  mask(node: string): tf.Tensor | undefined
}

type Rule<Op extends TrainingOp> = (node: TrainingNodeOf<Op>, inputs: readonly tf.Tensor[], context: RuleContext) => tf.Tensor

interface Window {
  readonly kernel: Size2
  readonly stride: Size2
  readonly pad: Size2
  readonly ceil?: boolean
}

const four = (value: tf.Tensor | undefined): tf.Tensor4D => value as tf.Tensor4D
const pair = ([height, width]: Size2): [number, number] => [height, width]

/**
 * Pads so that windows without padding of their own are exactly those of the table, covering ones included. Padding is an operator of
 * its own everywhere, since neither pooling nor the native packages' gradient of a convolution takes any that is not `same`.
 */
function padFor(input: tf.Tensor | undefined, { kernel, stride, pad, ceil = false }: Window, value: number): tf.Tensor4D {
  const x = four(input)
  const after = ([1, 2] as const).map((axis, i) => {
    const windows = pooledSize(x.shape[axis], kernel[i]!, stride[i]!, pad[i]!, ceil)
    return Math.max(0, (windows - 1) * stride[i]! + kernel[i]! - x.shape[axis] - pad[i]!)
  })
  if ([...pad, ...after].every(size => size === 0)) return x
  return tf.pad(
    x,
    [
      [0, 0],
      [pad[0], after[0]!],
      [pad[1], after[1]!],
      [0, 0],
    ],
    value,
  )
}

function convolve(
  input: tf.Tensor | undefined,
  { kernel, stride, pad }: Window,
  filter: tf.Tensor4D,
  bias: tf.Tensor | undefined,
): tf.Tensor {
  const sum = tf.conv2d(padFor(input, { kernel, stride, pad }, 0), filter, pair(stride), 'valid')
  return bias === undefined ? sum : tf.add(sum, bias)
}

const optional = (context: RuleContext, name: string | undefined): tf.Tensor | undefined =>
  name === undefined ? undefined : context.parameter(name)

/** Batch norm with stored statistics as factor and summand of each channel. */
function affine({ attributes, parameters }: NodeOf<'batchNorm'>, context: RuleContext): { scale: tf.Tensor; shift: tf.Tensor } {
  const scale = tf.mul(context.parameter(parameters.gamma), tf.rsqrt(tf.add(context.parameter(parameters.variance), attributes.epsilon)))
  return { scale, shift: tf.sub(context.parameter(parameters.beta), tf.mul(context.parameter(parameters.mean), scale)) }
}

/** Through the batch's own mean and variance, and so with their gradients. */
function normalise(node: NodeOf<'batchNorm'>, x: tf.Tensor, context: RuleContext): tf.Tensor {
  const axes = x.shape.slice(0, -1).map((_, axis) => axis)
  const mean = tf.mean(x, axes)
  const centred = tf.sub(x, mean)
  const variance = tf.mean(tf.square(centred), axes)
  context.onStatistics?.(node.name, mean, variance, x.size / mean.size)
  const scale = tf.mul(context.parameter(node.parameters.gamma), tf.rsqrt(tf.add(variance, node.attributes.epsilon)))
  return tf.add(tf.mul(centred, scale), context.parameter(node.parameters.beta))
}

const batchNorm: Rule<'batchNorm'> = (node, [x], context) => {
  if (context.ofBatch?.(node.name) === true) return normalise(node, x!, context)
  const { scale, shift } = affine(node, context)
  return tf.add(tf.mul(x!, scale), shift)
}

/** The factor goes to the weights, of which there are fewer than activations. */
const convBatchNorm: Rule<'convBatchNorm'> = ({ conv, batchNorm: norm }, [x], context) => {
  const { scale, shift } = affine(norm, context)
  const bias = optional(context, conv.parameters.bias)
  const filter = tf.mul(context.filter(conv.parameters.weight), scale)
  return convolve(x, conv.attributes, four(filter), bias === undefined ? shift : tf.add(tf.mul(bias, scale), shift))
}

/** Products with averaging matrices over the height and then over the width, which serve sizes that do not divide. */
const adaptiveAvgPool: Rule<'adaptiveAvgPool'> = (node, [input]) => {
  const x = four(input)
  const [count, height, width, channels] = x.shape
  const [rows, columns] = node.attributes.size
  if (height === rows && width === columns) return x
  const vertical = tf.tensor3d(averagingMatrix(rows, height, false), [1, rows, height])
  const horizontal = tf.tensor3d(averagingMatrix(columns, width, false), [1, columns, width])
  const shortened = tf.matMul(vertical, tf.reshape(x, [count, height, width * channels]))
  const narrowed = tf.matMul(horizontal, tf.reshape(shortened, [count * rows, width, channels]))
  return tf.reshape(narrowed, [count, rows, columns, channels])
}

/** Features in the order of the weights: C, H, W. */
function flatten(value: tf.Tensor): tf.Tensor2D {
  const features = value.size / value.shape[0]
  const single = value.rank === 4 && value.shape[1] === 1 && value.shape[2] === 1
  const ordered = value.rank === 4 && !single ? tf.transpose(value, [0, 3, 1, 2]) : value
  return tf.reshape(ordered, [value.shape[0], features])
}

const linear: Rule<'linear'> = ({ parameters }, [x], context) =>
  tf.add(tf.matMul(flatten(x!), context.parameter(parameters.weight) as tf.Tensor2D, false, true), context.parameter(parameters.bias))

const dropout: Rule<'dropout'> = (node, [x], context) => {
  const mask = context.mask(node.name)
  return mask === undefined ? x! : tf.mul(x!, mask)
}

const rules: { readonly [Op in Exclude<TrainingOp, 'input'>]: Rule<Op> } = {
  conv: ({ attributes, parameters }, [x], context) =>
    convolve(x, attributes, context.filter(parameters.weight), optional(context, parameters.bias)),
  convBatchNorm,
  batchNorm,
  relu: (_node, [x]) => tf.relu(x!),
  maxPool: ({ attributes }, [x]) => tf.maxPool(padFor(x, attributes, -Infinity), pair(attributes.kernel), pair(attributes.stride), 'valid'),
  avgPool: ({ attributes }, [x]) => tf.avgPool(padFor(x, attributes, 0), pair(attributes.kernel), pair(attributes.stride), 'valid'),
  globalAvgPool: (_node, [x]) => tf.mean(x!, [1, 2], true),
  adaptiveAvgPool,
  lrn: ({ attributes: { size, alpha, beta, k } }, [x]) => tf.localResponseNormalization(four(x), Math.floor(size / 2), k, alpha, beta),
  linear,
  dropout,
  softmax: (_node, [x]) => tf.softmax(x!),
  sigmoid: (_node, [x]) => tf.sigmoid(x!),
  slice: ({ attributes: { from, to } }, [x]) => tf.slice(x!, [0, from], [x!.shape[0], to - from]),
  concat: (_node, inputs) => tf.concat([...inputs], inputs[0]!.rank - 1),
  add: (_node, [a, b]) => tf.add(a!, b!),
  flatten: (_node, [x]) => flatten(x!),
}

/** A node's value from those of its inputs: a new tensor, or one of the inputs where the op changes nothing. */
export function computeNode(node: Exclude<TrainingNode, NodeOf<'input'>>, inputs: readonly tf.Tensor[], context: RuleContext): tf.Tensor {
  return (rules[node.op] as Rule<TrainingOp>)(node, inputs, context)
}

/** Nodes of which nothing is computed. */
export const isInput = (node: TrainingNode | GraphNode): node is NodeOf<'input'> => node.op === 'input'
