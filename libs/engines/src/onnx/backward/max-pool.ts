import type { NodeOf } from '@layermill/models'
import { int, text, type OnnxAttribute } from '../graph.js'
import { windowAttributes } from '../lower/rules.js'
import type { TrainingContext } from './context.js'
import { blockedStageGradient } from './max-pool-blocked.js'
import { lengthOf, shares, type Stage } from './max-pool-stage.js'
import { isEqual, put, take, type Axis } from './selection.js'

type Attributes = NodeOf<'maxPool'>['attributes']

const names = (node: string) => ({ indices: `${node}/indices`, columns: `${node}/columns` })

function poolAttributes(attributes: Attributes): Record<string, OnnxAttribute> {
  return { ...windowAttributes(attributes), ceil_mode: int(attributes.ceil ? 1 : 0) }
}

/** The part of a pool that looks along one axis only. */
function along(attributes: Attributes, axis: Axis): Attributes {
  const only = (values: readonly [number, number], other: number): readonly [number, number] =>
    axis === 0 ? [values[0], other] : [other, values[1]]
  return { ...attributes, kernel: only(attributes.kernel, 1), stride: only(attributes.stride, 1), pad: only(attributes.pad, 0) }
}

/** Whether every cell is seen by some window, so that the backward pass can go by rows and columns. */
const separable = ({ kernel, stride }: Attributes): boolean => kernel[0] >= stride[0] && kernel[1] >= stride[1]

/** Whether the gradient is wanted and can be computed on blocked values. */
function isBlocked({ name, attributes, inputs }: NodeOf<'maxPool'>, context: TrainingContext): boolean {
  const source = inputs[0]!
  const wanted = context.needs(source) && context.changes(name)
  return wanted && separable(attributes) && context.hasDeadZeros(source) && context.layouts.isWhole(context.shape(source)[0]!)
}

/** A value as pooling works on it. */
function arranged(node: NodeOf<'maxPool'>, value: string, context: TrainingContext): string {
  return isBlocked(node, context) ? context.layouts.blocked(value, context.shape(node.name)[0]!) : context.layouts.plain(value)
}

/**
 * The maximum of each row of a window, then the maximum of those: the runtime's pooling that also tells positions is many times
 * slower than twice the one that does not. The first maximum in row-major order is the first column in the first such row.
 */
export function maxPoolForward(node: NodeOf<'maxPool'>, [given]: readonly string[], context: TrainingContext): string {
  const { attributes, name } = node
  const { layouts } = context
  const input = arranged(node, given!, context)
  if (!context.needs(node.inputs[0]!)) return layouts.maxPool(input, name, poolAttributes(attributes))
  if (!separable(attributes)) {
    context.nodes.push({ op: 'MaxPool', inputs: [input], outputs: [name, names(name).indices], attributes: poolAttributes(attributes) })
    return name
  }
  const columns = layouts.maxPool(input, names(name).columns, poolAttributes(along(attributes, 1)))
  return layouts.maxPool(columns, name, poolAttributes(along(attributes, 0)))
}

/** Every window's gradient goes to its first maximum; overlapping windows add. */
export function maxPoolBackward(node: NodeOf<'maxPool'>, given: string, context: TrainingContext): void {
  const { attributes, name } = node
  const source = node.inputs[0]!
  if (!context.needs(source)) return
  const gradient = arranged(node, given, context)
  if (!separable(attributes)) {
    context.accumulate(source, byPosition(node, gradient, context))
    return
  }
  const [channels, height, width] = context.shape(source) as [number, number, number]
  const [, rows, columns] = context.shape(name) as [number, number, number]
  const rowMaxima = names(name).columns
  const input = arranged(node, context.raw(source), context)
  const down: Stage = { axis: 0, attributes, shape: [channels, height, columns], windows: rows, input: rowMaxima, output: name }
  const across: Stage = { axis: 1, attributes, shape: [channels, height, width], windows: columns, input, output: rowMaxima }
  const stageGradient = isBlocked(node, context) ? blockedStageGradient : plainStageGradient
  context.accumulate(source, stageGradient(context, across, stageGradient(context, down, gradient)))
}

function byPosition(node: NodeOf<'maxPool'>, gradient: string, context: TrainingContext): string {
  const source = node.inputs[0]!
  const zeros = context.op('ConstantOfShape', [context.reshape(context.op('Size', [context.value(source)]), 1)])
  const places = context.reshape(names(node.name).indices, -1)
  const sums = context.op('ScatterElements', [zeros, places, context.reshape(gradient, -1)], { axis: int(0), reduction: text('add') })
  return context.reshape(sums, -1, ...context.shape(source))
}

/**
 * Which cell each window has at a position. Positions outside of the input stand for the nearest cell inside, which the window has as
 * well: its first or last, so that the order in which cells are looked at stays the same.
 */
function cellsAt(stage: Stage, position: number): number[] {
  const { attributes, axis, windows } = stage
  const [stride, pad] = [attributes.stride[axis], attributes.pad[axis]]
  return Array.from({ length: windows }, (_, window) => Math.min(lengthOf(stage) - 1, Math.max(0, window * stride - pad + position)))
}

/** The gradient of what one stage's windows look at, from that of their maxima. */
function plainStageGradient(context: TrainingContext, stage: Stage, gradient: string): string {
  const { axis, input, output } = stage
  const length = lengthOf(stage)
  const isMaximum = (position: number): string => isEqual(context, take(context, input, axis, cellsAt(stage, position), length), output)
  const parts = shares(context, stage, gradient, isMaximum).map((part, position) =>
    put(context, part, axis, cellsAt(stage, position), length),
  )
  return parts.length === 1 ? parts[0]! : context.op('Sum', parts)
}
