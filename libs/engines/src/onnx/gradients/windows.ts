import { int, ints, type OnnxAttribute, text } from '../graph.js'
import type { GradientContext, GradientNode, GradientRule } from './context.js'

/** Sizes of a window that moves over the last axes. */
interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Before each axis, then behind each. */
  readonly pads: readonly number[]
}

/** Padding that makes the result as large as the input divided by the stride, rounded up; the odd cell is behind, or before. */
function samePads(node: GradientNode, { kernel, strides, dilations }: Omit<Window, 'pads'>, context: GradientContext): number[] {
  const isLower = node.text('auto_pad', '') === 'SAME_LOWER'
  const totals = kernel.map((side, i) => {
    const size = context.known(node.inputs[0]!, i + 2)
    return Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + dilations[i]! * (side - 1) + 1 - size)
  })
  const [small, large] = [totals.map(total => Math.floor(total / 2)), totals.map(total => Math.ceil(total / 2))]
  return isLower ? [...large, ...small] : [...small, ...large]
}

function windowOf(node: GradientNode, kernel: readonly number[], context: GradientContext): Window {
  const ones = kernel.map(() => 1)
  const sizes = { kernel, strides: node.ints('strides') ?? ones, dilations: node.ints('dilations') ?? ones }
  const pads = node.text('auto_pad', 'NOTSET').startsWith('SAME')
    ? samePads(node, sizes, context)
    : (node.ints('pads') ?? [...kernel, ...kernel].map(() => 0))
  return { ...sizes, pads }
}

const attributesOf = ({ strides, dilations, pads }: Window): Record<string, OnnxAttribute> => ({
  strides: ints(...strides),
  dilations: ints(...dilations),
  pads: ints(...pads),
})

/** The convolution backwards: what each input cell gave to the results, which is a transposed convolution. */
function transposed(
  gradient: string,
  weight: string,
  window: Window,
  facts: { node: GradientNode; group: number },
  context: GradientContext,
): string {
  const { kernel, strides, dilations, pads } = window
  const { node, group } = facts
  const rank = kernel.length
  // Input cells behind the last window are reached by none.
  const rest = kernel.map((side, i) => {
    const covered = (context.known(node.output, i + 2) - 1) * strides[i]! + dilations[i]! * (side - 1) + 1
    return context.known(node.inputs[0]!, i + 2) + pads[i]! + pads[i + rank]! - covered
  })
  return context.op('ConvTranspose', [gradient, weight], { ...attributesOf(window), group: int(group), output_padding: ints(...rest) })
}

/**
 * Gradient of a convolution's weights: the input convolved with the gradient. Images take the place of channels; the groups stay groups,
 * since each reads its own channels only.
 */
function weightGradient(node: GradientNode, gradient: string, window: Window, group: number, context: GradientContext): string {
  const [source, weight] = node.inputs as [string, string]
  const { kernel, strides, dilations, pads } = window
  const maps = kernel.map((_, i) => context.known(source, i + 2))
  const each = context.known(weight, 1)
  const spatial = kernel.map((_, i) => i + 3)
  const split = context.reshape(source, -1, group, each, ...maps)
  const images = context.reshape(context.transpose(split, 2, 1, 0, ...spatial), each, -1, ...maps)
  const filters = context.transpose(gradient, 1, 0, ...kernel.map((_, i) => i + 2))
  const wide = context.op('Conv', [images, filters], {
    strides: ints(...dilations),
    dilations: ints(...strides),
    pads: ints(...pads),
    group: int(group),
  })
  const axes = kernel.map((_, i) => i + 2)
  const cut = context.slice(
    wide,
    kernel.map(() => 0),
    kernel,
    axes,
  )
  return context.transpose(cut, 1, 0, ...axes)
}

const conv: GradientRule = (node, gradient, context) => {
  const [source, weight, bias] = node.inputs as [string, string, string | undefined]
  const kernel = context
    .dims(weight)
    .slice(2)
    .map((_, i) => context.known(weight, i + 2))
  const window = windowOf(node, kernel, context)
  const group = node.int('group', 1)
  context.accumulate(source, () => transposed(gradient, weight, window, { node, group }, context))
  context.accumulate(weight, () => weightGradient(node, gradient, window, group, context))
  context.accumulate(bias, () => context.reshape(context.sum(gradient, [0, ...kernel.map((_, i) => i + 2)]), -1))
}

/** Each gradient goes to the cell that was the largest, which the operator tells when asked. */
const maxPool: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const kernel = node.ints('kernel_shape')!
    const settings = {
      ...attributesOf(windowOf(node, kernel, context)),
      kernel_shape: ints(...kernel),
      ceil_mode: int(node.int('ceil_mode', 0)),
    }
    const [, places] = context.pair('MaxPool', [source], settings)
    const zeros = context.op('ConstantOfShape', [context.reshape(context.op('Size', [source]), 1)])
    const flat = (value: string): string => context.reshape(value, -1)
    const sums = context.op('ScatterElements', [zeros, flat(places), flat(gradient)], { axis: int(0), reduction: text('add') })
    return context.reshapeLike(sums, source)
  })

/** The mean of a window is a convolution of each channel with equal weights, where padding counts or there is none. */
const averagePool: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const kernel = node.ints('kernel_shape')!
    const window = windowOf(node, kernel, context)
    const counts = node.int('count_include_pad', 0) === 1 || window.pads.every(pad => pad === 0)
    if (!counts || node.int('ceil_mode', 0) === 1) throw new RangeError('a mean of windows of unequal sizes has no gradient here')
    const channels = context.known(node.inputs[0]!, 1)
    const cells = kernel.reduce((product, side) => product * side, 1)
    const data = new Float32Array(channels * cells).fill(1 / cells)
    const weight = context.constant(`grad/mean/${channels}/${kernel.join('x')}`, { type: 'float32', shape: [channels, 1, ...kernel], data })
    return transposed(gradient, weight, window, { node, group: channels }, context)
  })

/** Rules of windows that move over maps. */
export const windowRules: Readonly<Record<string, GradientRule>> = { AveragePool: averagePool, Conv: conv, MaxPool: maxPool }
