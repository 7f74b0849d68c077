import type { GraphNode, NodeOf, OpName } from '@layermill/models'
import { int } from '../graph.js'
import { rules as inference } from '../lower/rules.js'
import { batchNormBackward, batchNormForward, convBatchNormBackward, convBatchNormForward } from './batch-norm.js'
import { convBackward, convForward } from './conv.js'
import type { TrainingContext } from './context.js'
import { lrnBackward, lrnForward } from './lrn.js'
import { maxPoolBackward, maxPoolForward } from './max-pool.js'
import type { TrainingNodeOf, TrainingOp } from './plan.js'
import { averageBackward } from './pool.js'
import { isPositive } from './selection.js'

export interface TrainingRule<Op extends TrainingOp> {
  /** Whether its values and gradients may come blocked (see `Layouts`). */
  readonly anyLayout?: true
  /** Forward pass of a node, where training computes it in another way than inference does. */
  forward?(node: TrainingNodeOf<Op>, inputs: readonly string[], context: TrainingContext): string
  /** From the gradient of the node's value: sets its parameters' gradients, adds to those of the values it reads. */
  backward(node: TrainingNodeOf<Op>, gradient: string, context: TrainingContext): void
}

function linearBackward(node: NodeOf<'linear'>, gradient: string, context: TrainingContext): void {
  const { weight, bias } = node.parameters
  const source = node.inputs[0]!
  if (context.learns(weight)) {
    // `flat` is the inference rule's flattened input.
    context.setParameterGradient(weight, context.op('Gemm', [gradient, `${node.name}/flat`], { transA: int(1) }))
  }
  if (context.learns(bias)) context.setParameterGradient(bias, context.op('ReduceSum', [gradient, context.ints(0)], { keepdims: int(0) }))
  if (!context.needs(source)) return
  const flat = context.op('MatMul', [gradient, context.weight(weight)])
  const shape = context.shape(source)
  context.accumulate(source, shape.length === 1 ? flat : context.reshape(flat, -1, ...shape))
}

function reluBackward(node: NodeOf<'relu'>, gradient: string, context: TrainingContext): void {
  const value = context.raw(node.name)
  const masked = context.op('Mul', [context.layouts.like(gradient, value), isPositive(context, value)])
  context.accumulate(node.inputs[0]!, sameLayout(node, value, masked, context))
}

/** Says of a result that it is arranged as a value is. */
function sameLayout(node: GraphNode, value: string, result: string, context: TrainingContext): string {
  return context.layouts.isBlocked(value) ? context.layouts.mark(result, context.shape(node.name)[0]!) : result
}

function reluForward(node: NodeOf<'relu'>, [input]: readonly string[], context: TrainingContext): string {
  if (context.hasOneReader(node.inputs[0]!) && context.layouts.fuseRelu(input!)) return input!
  return sameLayout(node, input!, context.emit('Relu', [input!], node.name), context)
}

function addForward(node: NodeOf<'add'>, inputs: readonly string[], context: TrainingContext): string {
  const alike = context.layouts.alike(inputs)
  const [[first, second], [one, other]] = [alike, node.inputs] as [[string, string], [string, string]]
  if (context.hasOneReader(other) && context.layouts.fuseSum(second, first)) return second
  if (context.hasOneReader(one) && context.layouts.fuseSum(first, second)) return first
  return sameLayout(node, first, context.emit('Add', alike, node.name), context)
}

function concatForward(node: NodeOf<'concat'>, inputs: readonly string[], context: TrainingContext): string {
  const alike = context.layouts.alike(inputs)
  return sameLayout(node, alike[0]!, context.emit('Concat', alike, node.name, { axis: int(1) }), context)
}

const maskInput = (node: string): string => `${node}/mask`

function dropoutForward(node: NodeOf<'dropout'>, [input]: readonly string[], context: TrainingContext): string {
  if (!context.dropout || node.attributes.ratio === 0) return input!
  context.masks.set(node.name, context.shape(node.name))
  return context.emit('Mul', [input!, maskInput(node.name)], node.name)
}

function dropoutBackward(node: NodeOf<'dropout'>, gradient: string, context: TrainingContext): void {
  const on = context.masks.has(node.name)
  context.accumulate(node.inputs[0]!, on ? context.op('Mul', [gradient, maskInput(node.name)]) : gradient)
}

/** p * (g - sum(g * p)) for probabilities p. */
function softmaxBackward(node: NodeOf<'softmax'>, gradient: string, context: TrainingContext): void {
  const probabilities = context.value(node.name)
  const sum = context.op('ReduceSum', [context.op('Mul', [gradient, probabilities]), context.ints(1)], { keepdims: int(1) })
  context.accumulate(node.inputs[0]!, context.op('Mul', [probabilities, context.op('Sub', [gradient, sum])]))
}

/** g * p * (1 - p) for probabilities p. */
function sigmoidBackward(node: NodeOf<'sigmoid'>, gradient: string, context: TrainingContext): void {
  const probabilities = context.value(node.name)
  const slope = context.op('Sub', [probabilities, context.op('Mul', [probabilities, probabilities])])
  context.accumulate(node.inputs[0]!, context.op('Mul', [gradient, slope]))
}

function concatBackward(node: NodeOf<'concat'>, gradient: string, context: TrainingContext): void {
  let start = 0
  // Whole blocks, where the value is blocked: it was put together from such.
  const given = context.layouts.like(gradient, context.raw(node.name))
  for (const input of node.inputs) {
    const end = start + context.shape(input)[0]!
    if (context.needs(input)) {
      const part = context.slice(given, [start], [end], [1], [1])
      context.accumulate(input, context.layouts.isBlocked(given) ? context.layouts.mark(part, end - start) : part)
    }
    start = end
  }
}

/** The gradient between zeros for the features that were left out. */
function sliceBackward(node: NodeOf<'slice'>, gradient: string, context: TrainingContext): void {
  const [source] = node.inputs
  const { from, to } = node.attributes
  const pads = context.ints(0, from, 0, context.shape(source!)[0]! - to)
  context.accumulate(source!, context.op('Pad', [gradient, pads]))
}

export const trainingRules: { readonly [Op in Exclude<TrainingOp, 'input'>]: TrainingRule<Op> } = {
  conv: { anyLayout: true, forward: convForward, backward: convBackward },
  convBatchNorm: { anyLayout: true, forward: convBatchNormForward, backward: convBatchNormBackward },
  batchNorm: { forward: batchNormForward, backward: batchNormBackward },
  relu: { anyLayout: true, forward: reluForward, backward: reluBackward },
  maxPool: { anyLayout: true, forward: maxPoolForward, backward: maxPoolBackward },
  avgPool: { backward: averageBackward },
  globalAvgPool: { backward: averageBackward },
  adaptiveAvgPool: { backward: averageBackward },
  lrn: { forward: lrnForward, backward: lrnBackward },
  linear: { backward: linearBackward },
  dropout: { forward: dropoutForward, backward: dropoutBackward },
  softmax: { backward: softmaxBackward },
  sigmoid: { backward: sigmoidBackward },
  slice: { backward: sliceBackward },
  concat: { anyLayout: true, forward: concatForward, backward: concatBackward },
  add: {
    anyLayout: true,
    forward: addForward,
    backward: (node, gradient, context) => node.inputs.forEach(input => context.accumulate(input, gradient)),
  },
  flatten: {
    backward: (node, gradient, context) => {
      const source = node.inputs[0]!
      context.accumulate(source, context.reshape(gradient, -1, ...context.shape(source)))
    },
  },
}

type AnyRule = TrainingRule<TrainingOp>
type AnyInference = (node: TrainingNodeOf<OpName>, inputs: readonly string[], context: TrainingContext) => string
type ComputedNode = Exclude<TrainingNodeOf<TrainingOp>, { op: 'input' }>

/** Appends one node's forward pass and returns the value that holds its result. */
export function forward(node: ComputedNode, context: TrainingContext): string {
  const rule = trainingRules[node.op] as AnyRule
  const inputs = node.inputs.map(input => (rule.anyLayout ? context.raw(input) : context.value(input)))
  if (rule.forward !== undefined) return rule.forward(node, inputs, context)
  if (node.op === 'convBatchNorm') throw new RangeError('inference has no convBatchNorm')
  return (inference[node.op] as AnyInference)(node, inputs, context)
}

/** Appends one node's backward pass. */
export function backward(node: ComputedNode, gradient: string, context: TrainingContext): void {
  const rule = trainingRules[node.op] as AnyRule
  rule.backward(node, rule.anyLayout ? gradient : context.layouts.plain(gradient), context)
}
