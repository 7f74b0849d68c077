import type { NodeOf } from '@layermill/models'
import { int, text, type OnnxAttribute } from '../graph.js'
import { windowAttributes } from '../lower/rules.js'
import type { TrainingContext } from './context.js'
import { stageGradient, type Stage as BlockedStage } from './max-pool-blocked.js'
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

/** Whether the gradient is computed on blocked values. */
function isBlocked({ name, attributes, inputs }: NodeOf<'maxPool'>, context: TrainingContext): boolean {
  const source = inputs[0]!
  return separable(attributes) && context.hasDeadZeros(source) && context.changes(name) && context.layouts.isWhole(context.shape(source)[0]!)
}

/**
 * The maximum of each row of a window, then the maximum of those: the runtime's pooling that also tells positions is many times
 * slower than twice the one that does not. The first maximum in row-major order is the first column in the first such row.
 */
export function maxPoolForward(node: NodeOf<'maxPool'>, [given]: readonly string[], context: TrainingContext): string {
  const { attributes, name } = node
  const source = node.inputs[0]!
  if (context.needs(source) && isBlocked(node, context)) {
    const { layouts } = context
    const input = layouts.blocked(given!, context.shape(source)[0]!)
    const columns = layouts.maxPool(input, names(name).columns, poolAttributes(along(attributes, 1)))
    return layouts.maxPool(columns, name, poolAttributes(along(attributes, 0)))
  }
  const input = context.layouts.plain(given!)
  if (!context.needs(source)) return context.emit('MaxPool', [input], name, poolAttributes(attributes))
  if (!separable(attributes)) {
    context.nodes.push({ op: 'MaxPool', inputs: [input], outputs: [name, names(name).indices], attributes: poolAttributes(attributes) })
    return name
  }
  const columns = context.emit('MaxPool', [input], names(name).columns, poolAttributes(along(attributes, 1)))
  return context.emit('MaxPool', [columns], name, poolAttributes(along(attributes, 0)))
}

/** Every window's gradient goes to its first maximum; overlapping windows add. */
export function maxPoolBackward(node: NodeOf<'maxPool'>, given: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  if (!context.needs(source)) return
  if (isBlocked(node, context)) {
    context.accumulate(source, onBlocks(node, given, context))
    return
  }
  const gradient = context.layouts.plain(given)
  if (!separable(node.attributes)) {
    context.accumulate(source, byPosition(node, gradient, context))
    return
  }
  const [, height, width] = context.shape(source)
  const [, rows, columns] = context.shape(node.name)
  const rowMaxima = names(node.name).columns
  const down = { node, axis: 0, input: rowMaxima, output: node.name, length: height!, windows: rows! } as const
  const across = { node, axis: 1, input: context.value(source), output: rowMaxima, length: width!, windows: columns! } as const
  context.accumulate(source, alongAxis(context, across, alongAxis(context, down, gradient)))
}

function onBlocks(node: NodeOf<'maxPool'>, given: string, context: TrainingContext): string {
  const { attributes, name } = node
  const source = node.inputs[0]!
  const [channels, height, width] = context.shape(source) as [number, number, number]
  const [, rows, columns] = context.shape(name) as [number, number, number]
  const rowMaxima = names(name).columns
  const input = context.layouts.blocked(context.raw(source), channels)
  const down: BlockedStage = { axis: 0, attributes, channels, size: [height, columns], windows: rows, input: rowMaxima, output: name }
  const across: BlockedStage = { axis: 1, attributes, channels, size: [height, width], windows: columns, input, output: rowMaxima }
  return stageGradient(context, across, stageGradient(context, down, context.layouts.blocked(given, channels)))
}

function byPosition(node: NodeOf<'maxPool'>, gradient: string, context: TrainingContext): string {
  const source = node.inputs[0]!
  const zeros = context.op('ConstantOfShape', [context.reshape(context.op('Size', [context.value(source)]), 1)])
  const places = context.reshape(names(node.name).indices, -1)
  const sums = context.op('ScatterElements', [zeros, places, context.reshape(gradient, -1)], { axis: int(0), reduction: text('add') })
  return context.reshape(sums, -1, ...context.shape(source))
}

interface Stage {
  readonly node: NodeOf<'maxPool'>
  readonly axis: Axis
  /** ONNX values: what the windows look at, and their maxima. */
  readonly input: string
  readonly output: string
  /** Cells and windows along the axis. */
  readonly length: number
  readonly windows: number
}

/**
 * Which cell each window has at a position. Positions outside of the input stand for the nearest cell inside, which the window has as
 * well: its first or last, so that the order in which cells are looked at stays the same.
 */
function cellsAt({ node, axis, length, windows }: Stage, position: number): number[] {
  const { stride, pad } = node.attributes
  return Array.from({ length: windows }, (_, window) => Math.min(length - 1, Math.max(0, window * stride[axis] - pad[axis] + position)))
}

/** The gradient of a pool along one axis: of each window's positions, the first that holds the maximum gets all. */
function alongAxis(context: TrainingContext, stage: Stage, gradient: string): string {
  const { node, axis, input, output, length } = stage
  const last = node.attributes.kernel[axis] - 1
  const parts: string[] = []
  let rest = gradient
  for (let position = 0; position <= last; position++) {
    const cells = cellsAt(stage, position)
    let share = rest
    if (position < last) {
      share = context.op('Mul', [rest, isEqual(context, take(context, input, axis, cells, length), output)])
      rest = context.op('Sub', [rest, share])
    }
    parts.push(put(context, share, axis, cells, length))
  }
  return parts.length === 1 ? parts[0]! : context.op('Sum', parts)
}
