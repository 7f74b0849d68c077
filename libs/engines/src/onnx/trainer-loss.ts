import type { Tensor } from '@layermill/core'
import type { LossKind, LossSlice, OneLoss } from '../trainer.js'
import { int, type OnnxAttribute } from './graph.js'

export const softmaxLoss: LossKind = { kind: 'softmax' }

/** log(1 + exp(x)) without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const logistic = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))

/** Cross entropy of softmax against targets [N, classes] whose rows carry the weights, summed over the batch, in float64. */
function crossEntropySum(scores: Tensor, targets: Tensor): number {
  const classes = scores.shape[1]!
  const { data } = scores
  let loss = 0
  for (let start = 0; start < data.length; start += classes) {
    let top = -Infinity
    for (let c = 0; c < classes; c++) top = Math.max(top, data[start + c]!)
    let total = 0
    for (let c = 0; c < classes; c++) total += Math.exp(data[start + c]! - top)
    const logTotal = top + Math.log(total)
    for (let c = 0; c < classes; c++) loss += targets.data[start + c]! * (logTotal - data[start + c]!)
  }
  return loss
}

/** One output's loss and its derivative by the score. */
interface OutputRule {
  loss(score: number, target: number, output: number): number
  slope(score: number, target: number, output: number): number
}

function ruleOf(kind: Exclude<OneLoss, { kind: 'softmax' }>): OutputRule {
  switch (kind.kind) {
    case 'sigmoid': {
      const weight = (output: number): number => kind.positiveWeights?.[output] ?? 1
      return {
        loss: (y, t, k) => weight(k) * t * softplus(-y) + (1 - t) * softplus(y),
        slope: (y, t, k) => logistic(y) * (1 + (weight(k) - 1) * t) - weight(k) * t,
      }
    }
    case 'squared':
      return { loss: (y, t) => (y - t) ** 2, slope: (y, t) => 2 * (y - t) }
    case 'smooth-l1': {
      const { beta } = kind
      return {
        loss: (y, t) => (Math.abs(y - t) < beta ? (y - t) ** 2 / (2 * beta) : Math.abs(y - t) - beta / 2),
        slope: (y, t) => Math.max(-1, Math.min(1, (y - t) / beta)),
      }
    }
  }
}

/** One part of scores that lie end to end. */
interface Part {
  readonly from: number
  readonly loss: OneLoss
  readonly scores: Tensor
  readonly targets: Tensor
  /** Factor of each image's loss. */
  readonly weights: Float32Array
}

/** Columns `from` to `to` of a matrix. */
function columns({ shape: [rows, width], data }: Tensor, from: number, to: number): Tensor {
  const part = new Float32Array(rows! * (to - from))
  for (let row = 0; row < rows!; row++) part.set(data.subarray(row * width! + from, row * width! + to), row * (to - from))
  return { shape: [rows!, to - from], data: part }
}

function partsOf(slices: readonly LossSlice[], scores: Tensor, targets: Tensor): Part[] {
  const outputs = scores.shape[1]!
  let from = 0
  return slices.map(({ outputs: count, loss }) => {
    const [start, end] = [from, (from += count)]
    const weights = columns(targets, outputs + start, outputs + start + 1).data
    return { from: start, loss, scores: columns(scores, start, end), targets: columns(targets, start, end), weights }
  })
}

const rowOf = ({ shape: [, width], data }: Tensor, row: number): Tensor => ({
  shape: [1, width!],
  data: data.subarray(row * width!, (row + 1) * width!),
})

/**
 * The loss of scores [N, outputs] against targets of the same shape, summed over the batch, in float64. Softmax: cross entropy with the
 * weights in the targets. Slices: the sum of their losses, each image's times its factor. All others: the mean over the outputs.
 */
export function lossSum(kind: LossKind, scores: Tensor, targets: Tensor): number {
  if (kind.kind === 'softmax') return crossEntropySum(scores, targets)
  let loss = 0
  if (kind.kind === 'slices') {
    for (const part of partsOf(kind.slices, scores, targets))
      for (const [row, weight] of part.weights.entries())
        if (weight !== 0) loss += weight * lossSum(part.loss, rowOf(part.scores, row), rowOf(part.targets, row))
    return loss
  }
  const rule = ruleOf(kind)
  const outputs = scores.shape[1]!
  for (const [i, score] of scores.data.entries()) loss += rule.loss(score, targets.data[i]!, i % outputs)
  return loss / outputs
}

/** Cross entropy's gradient by the scores: the probabilities times the targets' sum, less the targets. */
function softmaxSlopes({ shape, data }: Tensor, targets: Tensor): Tensor {
  const slopes = new Float32Array(data.length)
  for (let row = 0; row < shape[0]!; row++) {
    const own = rowOf({ shape, data }, row).data
    const wanted = rowOf(targets, row).data
    const top = own.reduce((most, score) => Math.max(most, score), -Infinity)
    const total = own.reduce((sum, score) => sum + Math.exp(score - top), 0)
    const weight = wanted.reduce((sum, target) => sum + target, 0)
    for (const [k, score] of own.entries()) slopes[row * own.length + k] = (weight * Math.exp(score - top)) / total - wanted[k]!
  }
  return { shape, data: slopes }
}

/** The gradient of `lossSum` by the scores. */
export function lossSlopes(kind: LossKind, scores: Tensor, targets: Tensor): Tensor {
  if (kind.kind === 'softmax') return softmaxSlopes(scores, targets)
  const outputs = scores.shape[1]!
  if (kind.kind === 'slices') {
    const data = new Float32Array(scores.data.length)
    for (const { from, loss, weights, ...part } of partsOf(kind.slices, scores, targets)) {
      const slopes = lossSlopes(loss, part.scores, part.targets)
      const width = slopes.shape[1]!
      for (const [i, slope] of slopes.data.entries())
        data[Math.floor(i / width) * outputs + from + (i % width)] = weights[Math.floor(i / width)]! * slope
    }
    return { shape: scores.shape, data }
  }
  const rule = ruleOf(kind)
  return { shape: scores.shape, data: scores.data.map((score, i) => rule.slope(score, targets.data[i]!, i % outputs) / outputs) }
}

/** Appends operators to a graph. */
export interface Operators {
  op(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string
  ints(...values: number[]): string
  /** A float32 vector, or a scalar for a number. */
  floats(values: number | Float32Array): string
}

/** Each part's gradient times the factors, end to end. */
function slicesGradient(
  slices: readonly LossSlice[],
  { scores, targets, outputs }: { readonly scores: string; readonly targets: string; readonly outputs: number },
  graph: Operators,
): string {
  const part = (value: string, from: number, to: number): string =>
    graph.op('Slice', [value, graph.ints(from), graph.ints(to), graph.ints(1)])
  let from = 0
  const gradients = slices.map(({ outputs: count, loss }) => {
    const [start, end] = [from, (from += count)]
    const gradient = lossGradient(loss, part(scores, start, end), part(targets, start, end), count, graph)
    return graph.op('Mul', [gradient, part(targets, outputs + start, outputs + end)])
  })
  return graph.op('Concat', gradients, { axis: int(1) })
}

/** Operators for the gradient of `lossSum` by the scores; the value that holds it. */
export function lossGradient(kind: LossKind, scores: string, targets: string, outputs: number, graph: Operators): string {
  const share = (value: string, factor = 1): string => graph.op('Mul', [value, graph.floats(factor / outputs)])
  switch (kind.kind) {
    case 'softmax': {
      const probabilities = graph.op('Softmax', [scores], { axis: int(1) })
      const total = graph.op('ReduceSum', [targets, graph.ints(1)], { keepdims: int(1) })
      return graph.op('Sub', [graph.op('Mul', [probabilities, total]), targets])
    }
    case 'sigmoid': {
      const probabilities = graph.op('Sigmoid', [scores])
      const { positiveWeights: weights } = kind
      if (weights === undefined) return share(graph.op('Sub', [probabilities, targets]))
      // The derivative for one target t and weight w: p * (1 + (w - 1) t) - w t.
      const rest = graph.op('Mul', [targets, graph.floats(Float32Array.from(weights, weight => weight - 1))])
      const kept = graph.op('Mul', [probabilities, graph.op('Add', [rest, graph.floats(1)])])
      return share(graph.op('Sub', [kept, graph.op('Mul', [targets, graph.floats(Float32Array.from(weights))])]))
    }
    case 'squared':
      return share(graph.op('Sub', [scores, targets]), 2)
    case 'slices':
      return slicesGradient(kind.slices, { scores, targets, outputs }, graph)
    case 'smooth-l1': {
      const scaled = graph.op('Mul', [graph.op('Sub', [scores, targets]), graph.floats(1 / kind.beta)])
      return share(graph.op('Max', [graph.op('Min', [scaled, graph.floats(1)]), graph.floats(-1)]))
    }
  }
}

/**
 * Rows whose answer is right. Softmax: the highest score (the first of equals) is at the label. Sigmoid: every score is above 0 where its
 * target is, and nowhere else. Of numbers and of several targets none is.
 */
export function countCorrect(kind: LossKind, { data, shape }: Tensor, labels: Int32Array, targets: Tensor): number {
  if (kind.kind === 'softmax') return countHighest(data, shape[1]!, labels)
  if (kind.kind !== 'sigmoid') return 0
  const outputs = shape[1]!
  let correct = 0
  for (let start = 0; start < data.length; start += outputs) {
    let right = true
    for (let k = 0; k < outputs; k++) right &&= data[start + k]! > 0 === targets.data[start + k]! > 0.5
    if (right) correct++
  }
  return correct
}

function countHighest(data: Float32Array, classes: number, labels: Int32Array): number {
  let correct = 0
  for (const [row, label] of labels.entries()) {
    let best = 0
    for (let c = 1; c < classes; c++) if (data[row * classes + c]! > data[row * classes + best]!) best = c
    if (best === label) correct++
  }
  return correct
}
