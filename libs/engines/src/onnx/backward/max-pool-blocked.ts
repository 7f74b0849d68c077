import { int, ints, text, type OnnxAttribute } from '../graph.js'
import type { TrainingContext } from './context.js'
import { lengthOf, shares, type Stage } from './max-pool-stage.js'
import { steep, type Axis } from './selection.js'

/**
 * The gradient of max pooling on blocked values, where a convolution of each channel by itself looks at one cell of each window, and
 * subtracts, compares or adds on the way. Cells outside of the input read as 0, so this is for inputs that are never negative and whose
 * zeros pass no gradient on (`deadZeros`): a window whose maximum is 0 may then give its gradient to nobody.
 */

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
function windowTap(stage: Stage, position: number): Tap {
  const { attributes, axis, windows } = stage
  const [stride, pad, length] = [attributes.stride[axis], attributes.pad[axis], lengthOf(stage)]
  const [at, before] = [Math.max(0, position - pad), Math.max(0, pad - position)]
  // Enough cells that no window comes after the last one, then enough padding for it.
  const cells = Math.max(at + 1, length + before - windows * stride + 1)
  return { cells, at, stride, before, after: Math.max(0, (windows - 1) * stride + cells - length - before) }
}

/** Moves `from` values by `shift` places into `to` places; what falls out at either end is left out, and zeros come in. */
function shiftTap(from: number, to: number, shift: number): Tap {
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

/** A blocked value convolved with a tap; what is added is a blocked value too. */
function tapped(context: TrainingContext, value: string, tap: Tap, { axis, channels, factor, added, activation = {} }: TapOptions): string {
  const along = (cells: number, other: number): [number, number] => (axis === 0 ? [cells, other] : [other, cells])
  const kernel = along(tap.cells, 1)
  const weight = context.constant(`tap/${channels}/${kernel.join('x')}/${tap.at}/${factor}`, {
    type: 'float32',
    shape: [channels, 1, ...kernel],
    // Channels lie together for each cell, and are all alike.
    data: Float32Array.from({ length: channels * tap.cells }, (_, i) =>
      Math.floor(i / context.layouts.size) % tap.cells === tap.at ? factor : 0,
    ),
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
  const activation = { activation: text('HardSigmoid'), activation_params: { kind: 'floats', value: [-steep, 1] } } as const
  const {
    axis,
    shape: [channels],
    input,
    output,
  } = stage
  return tapped(context, input, windowTap(stage, position), { axis, channels, factor: -1, added: output, activation })
}

/** The cells first, first + stride, ... of the gradient: the sum of the shares of those positions that look at them. */
function cellsFrom(context: TrainingContext, stage: Stage, parts: readonly string[], first: number): string {
  const {
    axis,
    shape: [channels],
    attributes,
    windows,
  } = stage
  const [stride, pad] = [attributes.stride[axis], attributes.pad[axis]]
  const cells = Math.ceil(lengthOf(stage) / stride)
  const moved = parts
    .map((part, position) => ({ part, shift: (position - pad - first) / stride }))
    .filter(({ shift }) => Number.isInteger(shift))
  // The part that need not move comes first: the others are added to it on their way.
  const inOrder = moved.toSorted((a, b) => Math.abs(a.shift) - Math.abs(b.shift))
  const sum = inOrder.reduce<string | undefined>((added, { part, shift }) => {
    if (added === undefined && shift === 0 && windows === cells) return part
    const marked = context.layouts.mark(part, channels)
    return tapped(context, marked, shiftTap(windows, cells, shift), {
      axis,
      channels,
      factor: 1,
      ...(added === undefined ? {} : { added }),
    })
  }, undefined)
  if (sum === undefined) throw new RangeError('windows leave cells out')
  return sum
}

/**
 * Puts the parts' rows (or columns) between each other: the first of each, the second of each, and so on, as many as the stage's windows
 * look at.
 */
function interleaved(context: TrainingContext, parts: readonly string[], stage: Stage): string {
  const { layouts } = context
  const {
    axis,
    shape: [channels, height, width],
  } = stage
  const length = lengthOf(stage)
  // Behind the axis in memory, the whole of it side by side.
  const inner = axis === 0 ? width * layouts.size : layouts.size
  const each = Math.ceil(length / parts.length)
  const apart = parts.map(part => context.reshape(part, -1, 1, inner))
  const joined = context.reshape(context.op('Concat', apart, { axis: int(1) }), -1, each * parts.length, inner)
  const exact = each * parts.length === length ? joined : context.slice(joined, [0], [length], [1], [1])
  return context.reshape(exact, -1, channels, height, width)
}

/** The gradient of what one stage's windows look at, from that of their maxima. */
export function blockedStageGradient(context: TrainingContext, stage: Stage, gradient: string): string {
  const {
    attributes,
    axis,
    shape: [channels],
  } = stage
  const parts = shares(context, stage, gradient, position => isMaximum(context, stage, position))
  const phases = Array.from({ length: attributes.stride[axis] }, (_, first) => cellsFrom(context, stage, parts, first))
  return context.layouts.mark(phases.length === 1 ? phases[0]! : interleaved(context, phases, stage), channels)
}
