import type { NodeOf } from '@layermill/models'
import { int, ints, text, type OnnxAttribute } from '../graph.js'
import type { TrainingContext } from './context.js'
import { STEEP, type Axis } from './selection.js'

/**
 * The gradient of max pooling on blocked values, where a convolution of each channel by itself looks at one cell of each window, and
 * subtracts, compares or adds on the way. Cells outside of the input read as 0, so this is for inputs that are never negative and whose
 * zeros pass no gradient on (`deadZeros`): a window whose maximum is 0 may then give its gradient to nobody.
 */

export interface Stage {
  readonly axis: Axis
  readonly attributes: NodeOf<'maxPool'>['attributes']
  readonly channels: number
  /** Height and width of what the windows look at. */
  readonly size: readonly [height: number, width: number]
  /** Windows along the axis. */
  readonly windows: number
  /** Blocked values: what the windows look at, and their maxima. */
  readonly input: string
  readonly output: string
}

/** A convolution along an axis that multiplies one cell and leaves the others out. */
interface Tap {
  /** Cells of the kernel, and which of them counts. */
  readonly cells: number
  readonly at: number
  readonly stride: number
  readonly before: number
  readonly after: number
}

/** Of each window of a stage its cell at `position`. */
function windowTap({ attributes, axis, size, windows }: Stage, position: number): Tap {
  const [stride, pad, length] = [attributes.stride[axis], attributes.pad[axis], size[axis]]
  const [at, before] = [Math.max(0, position - pad), Math.max(0, pad - position)]
  // Enough cells that no window comes after the last one, then enough padding for it.
  const cells = Math.max(at + 1, length + before - windows * stride + 1)
  return { cells, at, stride, before, after: Math.max(0, (windows - 1) * stride + cells - length - before) }
}

/** Moves `from` values by `shift` places into `to` places; what falls out at either end is left out, and zeros come in. */
export function shiftTap(from: number, to: number, shift: number): Tap {
  const [before, at] = [Math.max(0, shift), Math.max(0, -shift)]
  const cells = Math.max(at + 1, from + before - to + 1)
  return { cells, at, stride: 1, before, after: to - (from + before - cells + 1) }
}

interface TapOptions {
  readonly axis: Axis
  readonly channels: number
  readonly factor: number
  readonly added?: string
  readonly activation?: Readonly<Record<string, OnnxAttribute>>
}

function tapped(context: TrainingContext, value: string, tap: Tap, { axis, channels, factor, added, activation = {} }: TapOptions): string {
  const along = (cells: number, other: number): [number, number] => (axis === 0 ? [cells, other] : [other, cells])
  const kernel = along(tap.cells, 1)
  const weight = context.constant(`tap/${channels}/${kernel.join('x')}/${tap.at}/${factor}`, {
    type: 'float32',
    shape: [channels, 1, ...kernel],
    // Channels lie together for each cell, and are all alike.
    data: Float32Array.from({ length: channels * tap.cells }, (_, i) => (Math.floor(i / context.layouts.size) % tap.cells === tap.at ? factor : 0)),
  })
  const attributes = {
    ...activation,
    group: int(channels),
    kernel_shape: ints(...kernel),
    strides: ints(...along(tap.stride, 1)),
    pads: ints(...along(tap.before, 0), ...along(tap.after, 0)),
  }
  return context.layouts.conv(added === undefined ? [value, weight] : [value, weight, '', added], attributes, channels)
}

/** 1 where a window's cell at `position` is its maximum, else 0: 1 - huge * (maximum - cell), cut off at 0. */
function isMaximum(context: TrainingContext, stage: Stage, position: number): string {
  const activation = { activation: text('HardSigmoid'), activation_params: { kind: 'floats', value: [-STEEP, 1] } } as const
  const { axis, channels, input, output } = stage
  return tapped(context, input, windowTap(stage, position), { axis, channels, factor: -1, added: output, activation })
}

/** Of each window's gradient what each position gets: all for the first that is the maximum. */
function shares(context: TrainingContext, stage: Stage, gradient: string): string[] {
  const last = stage.attributes.kernel[stage.axis] - 1
  const parts: string[] = []
  let rest = gradient
  for (let position = 0; position < last; position++) {
    const share = context.op('Mul', [rest, isMaximum(context, stage, position)])
    rest = context.op('Sub', [rest, share])
    parts.push(share)
  }
  return [...parts, rest]
}

/** The cells first, first + stride, ... of the gradient: the sum of the shares of those positions that look at them. */
function everyStride(context: TrainingContext, stage: Stage, parts: readonly string[], first: number): string | undefined {
  const { axis, channels, attributes, size, windows } = stage
  const [stride, pad] = [attributes.stride[axis], attributes.pad[axis]]
  const cells = Math.ceil(size[axis] / stride)
  const moved = parts.map((part, position) => ({ part, shift: (position - pad - first) / stride })).filter(({ shift }) => Number.isInteger(shift))
  // What need not move comes first: the others are added to it on their way.
  const inOrder = moved.toSorted((a, b) => Math.abs(a.shift) - Math.abs(b.shift))
  return inOrder.reduce<string | undefined>((added, { part, shift }) => {
    if (added === undefined && shift === 0 && windows === cells) return part
    const marked = context.layouts.mark(part, channels)
    return tapped(context, marked, shiftTap(windows, cells, shift), { axis, channels, factor: 1, ...(added === undefined ? {} : { added }) })
  }, undefined)
}

/** Puts the parts' rows (or columns) between each other: the first of each, the second of each, and so on, `length` of them in all. */
function interleaved(context: TrainingContext, parts: readonly string[], { axis, size, channels }: Stage): string {
  const { layouts } = context
  // Behind the axis in memory, the whole of it side by side.
  const inner = axis === 0 ? size[1] * layouts.size : layouts.size
  const each = Math.ceil(size[axis] / parts.length)
  const apart = parts.map(part => context.reshape(part, -1, 1, inner))
  const joined = context.reshape(context.op('Concat', apart, { axis: int(1) }), -1, each * parts.length, inner)
  const exact = each * parts.length === size[axis] ? joined : context.slice(joined, [0], [size[axis]], [1], [1])
  return context.reshape(exact, -1, channels, ...size)
}

/** The gradient of what one stage's windows look at, from that of their maxima. */
export function stageGradient(context: TrainingContext, stage: Stage, gradient: string): string {
  const { attributes, axis, channels } = stage
  const parts = shares(context, stage, gradient)
  const stride = attributes.stride[axis]
  const phases = Array.from({ length: stride }, (_, first) => everyStride(context, stage, parts, first))
  const whole = phases.map(phase => {
    if (phase === undefined) throw new RangeError('windows leave cells out')
    return phase
  })
  return context.layouts.mark(whole.length === 1 ? whole[0]! : interleaved(context, whole, stage), channels)
}
