import type { NodeOf } from '@layermill/models'
import { int, ints, text, type OnnxAttribute } from '../graph.js'
import type { TrainingContext } from './context.js'

type Attributes = NodeOf<'maxPool'>['attributes']
/** 0: rows, 1: columns. */
type Axis = 0 | 1

const names = (node: string) => ({ indices: `${node}/indices`, columns: `${node}/columns` })

/** Below every number that a network computes. */
const LOWEST = -3.4028234663852886e38

function poolAttributes({ kernel, stride, pad, ceil }: Attributes): Record<string, OnnxAttribute> {
  const pads = ints(pad[0], pad[1], pad[0], pad[1])
  return { kernel_shape: ints(...kernel), strides: ints(...stride), pads, ceil_mode: int(ceil ? 1 : 0) }
}

/** The part of a pool that looks along one axis only. */
function along(attributes: Attributes, axis: Axis): Attributes {
  const only = (values: readonly [number, number], other: number): readonly [number, number] =>
    axis === 0 ? [values[0], other] : [other, values[1]]
  return { ...attributes, kernel: only(attributes.kernel, 1), stride: only(attributes.stride, 1), pad: only(attributes.pad, 0) }
}

/** Whether every cell is seen by some window, so that the backward pass can go by rows and columns. */
const separable = ({ kernel, stride }: Attributes): boolean => kernel[0] >= stride[0] && kernel[1] >= stride[1]

/**
 * The maximum of each row of a window, then the maximum of those: the runtime's pooling that also tells positions is many times
 * slower than twice the one that does not. The first maximum in row-major order is the first column in the first such row.
 */
export function maxPoolForward(node: NodeOf<'maxPool'>, [input]: readonly string[], context: TrainingContext): string {
  const { attributes, name } = node
  if (!context.needs(node.inputs[0]!)) return context.emit('MaxPool', [input!], name, poolAttributes(attributes))
  if (!separable(attributes)) {
    context.nodes.push({ op: 'MaxPool', inputs: [input!], outputs: [name, names(name).indices], attributes: poolAttributes(attributes) })
    return name
  }
  const columns = context.emit('MaxPool', [input!], names(name).columns, poolAttributes(along(attributes, 1)))
  return context.emit('MaxPool', [columns], name, poolAttributes(along(attributes, 0)))
}

/** Every window's gradient goes to its first maximum; overlapping windows add. */
export function maxPoolBackward(node: NodeOf<'maxPool'>, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  if (!context.needs(source)) return
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

/** Adds cells (or takes them away) before and behind, along one axis. */
function padAlong(context: TrainingContext, value: string, axis: Axis, [before, behind]: readonly [number, number], fill?: number): string {
  if (before === 0 && behind === 0) return value
  const pads = axis === 0 ? context.ints(0, 0, before, 0, 0, 0, behind, 0) : context.ints(0, 0, 0, before, 0, 0, 0, behind)
  return context.op('Pad', fill === undefined ? [value, pads] : [value, pads, context.floats(fill)])
}

/** What each window sees at a cell: at stride 1 what the windows look at, moved. */
function seenAt(context: TrainingContext, { node, axis, input, length, windows }: Stage): (cell: number) => string {
  const { kernel, stride, pad } = node.attributes
  const [size, step, before] = [kernel[axis], stride[axis], pad[axis]]
  if (step === 1) return cell => padAlong(context, input, axis, [before - cell, windows + cell - before - length], LOWEST)
  const padded = padAlong(context, input, axis, [before, Math.max(0, (windows - 1) * step + size - before - length)], LOWEST)
  return cell => context.slice(padded, [cell], [cell + (windows - 1) * step + 1], [axis + 2], [step])
}

/** Splits the windows' gradient by which of their cells has it: position t of the result for the cell t from the window's start. */
function shares(context: TrainingContext, stage: Stage, gradient: string): string[] {
  const seen = seenAt(context, stage)
  const result: string[] = []
  let rest = gradient
  for (let cell = 0; cell < stage.node.attributes.kernel[stage.axis] - 1; cell++) {
    const hit = context.op('Cast', [context.op('Equal', [seen(cell), stage.output])], { to: int(1) })
    const share = context.op('Mul', [rest, hit])
    rest = context.op('Sub', [rest, share])
    result.push(share)
  }
  return [...result, rest]
}

const sum = (context: TrainingContext, values: readonly string[]): string => (values.length === 1 ? values[0]! : context.op('Sum', values))

/** The gradient of a pool along one axis: shares at the same distance from a multiple of the stride add up, then take turns. */
function alongAxis(context: TrainingContext, stage: Stage, gradient: string): string {
  const { node, axis, length, windows } = stage
  const [kernel, stride, pad] = [node.attributes.kernel[axis], node.attributes.stride[axis], node.attributes.pad[axis]]
  const parts = shares(context, stage, gradient)
  if (stride === 1) return sum(context, parts.map((part, cell) => padAlong(context, part, axis, [cell - pad, length + pad - windows - cell])))
  const overhang = Math.floor((kernel - 1) / stride)
  const places = windows + overhang
  const phases = Array.from({ length: stride }, (_, phase) => {
    const moved = parts
      .map((part, cell) => ({ part, turn: (cell - phase) / stride }))
      .filter(({ turn }) => Number.isInteger(turn))
      .map(({ part, turn }) => padAlong(context, part, axis, [turn, overhang - turn]))
    return sum(context, moved)
  })
  return padAlong(context, interleave(context, stage, phases, places), axis, [-pad, length + pad - places * stride])
}

/** One cell of each in turn along the axis. */
function interleave(context: TrainingContext, { node, axis }: Stage, phases: readonly string[], places: number): string {
  const [channels] = context.shape(node.inputs[0]!)
  // Behind the stage along the rows, rows are as in the source; before it, columns are as in the result.
  const [, height] = context.shape(node.inputs[0]!)
  const [, , columns] = context.shape(node.name)
  const split = axis === 0 ? [-1, channels!, places, 1, columns!] : [-1, channels!, height!, places, 1]
  const stacked = context.op('Concat', phases.map(phase => context.reshape(phase, ...split)), { axis: int(3 + axis) })
  const length = places * phases.length
  return axis === 0 ? context.reshape(stacked, -1, channels!, length, columns!) : context.reshape(stacked, -1, channels!, height!, length)
}
