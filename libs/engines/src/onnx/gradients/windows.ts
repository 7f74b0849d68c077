import { int, ints, type OnnxAttribute, text } from '../graph.js'
import type { GradientContext, GradientNode, GradientRule } from './context.js'
import { composed } from './parts.js'

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
  // Input cells behind the last window are reached by none; a last window that hangs over reaches some that are not there.
  const rest = kernel.map((side, i) => {
    const covered = (context.known(node.output, i + 2) - 1) * strides[i]! + dilations[i]! * (side - 1) + 1
    return context.known(node.inputs[0]!, i + 2) + pads[i]! + pads[i + rank]! - covered
  })
  const behind = rest.map((cells, i) => pads[i + rank]! + Math.max(0, -cells))
  return context.op('ConvTranspose', [gradient, weight], {
    ...attributesOf({ ...window, pads: [...pads.slice(0, rank), ...behind] }),
    group: int(group),
    output_padding: ints(...rest.map(cells => Math.max(0, cells))),
  })
}

/**
 * Gradient of a convolution's weights: the input convolved with the gradient. Images take the place of channels; the groups stay groups,
 * since each reads its own channels only.
 */
function weightGradient(
  { source, weight, gradient }: { source: string; weight: string; gradient: string },
  window: Window,
  group: number,
  context: GradientContext,
): string {
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
  context.accumulate(weight, () => weightGradient({ source, weight, gradient }, window, group, context))
  context.accumulate(bias, () => context.reshape(context.sum(gradient, [0, ...kernel.map((_, i) => i + 2)]), -1))
}

/** Sizes of a transposed convolution's window: padding is what makes its result as large as it is. */
function transposedWindow(node: GradientNode, kernel: readonly number[], context: GradientContext): Window {
  const window = windowOf({ ...node, text: (_, otherwise) => otherwise }, kernel, context)
  const { strides, dilations } = window
  const padding = node.text('auto_pad', 'NOTSET')
  if (!padding.startsWith('SAME') && node.ints('output_shape') === undefined) return window
  const added = node.ints('output_padding') ?? kernel.map(() => 0)
  const totals = kernel.map((side, i) => {
    const whole = strides[i]! * (context.known(node.inputs[0]!, i + 2) - 1) + added[i]! + dilations[i]! * (side - 1) + 1
    return Math.max(0, whole - context.known(node.output, i + 2))
  })
  const [small, large] = [totals.map(total => Math.floor(total / 2)), totals.map(total => Math.ceil(total / 2))]
  return { ...window, pads: padding === 'SAME_UPPER' ? [...small, ...large] : [...large, ...small] }
}

/** A transposed convolution backwards is the convolution; its weights see the gradient where that one sees its input. */
const convTranspose: GradientRule = (node, gradient, context) => {
  const [source, weight, bias] = node.inputs as [string, string, string | undefined]
  const kernel = context
    .dims(weight)
    .slice(2)
    .map((_, i) => context.known(weight, i + 2))
  const window = transposedWindow(node, kernel, context)
  const group = node.int('group', 1)
  context.accumulate(source, () => context.op('Conv', [gradient, weight], { ...attributesOf(window), group: int(group) }))
  context.accumulate(weight, () => {
    context.know(gradient, context.dims(node.output), false)
    return weightGradient({ source: gradient, weight, gradient: source }, window, group, context)
  })
  context.accumulate(bias, () => context.reshape(context.sum(gradient, [0, ...kernel.map((_, i) => i + 2)]), -1))
}

/** x / (bias + alpha / size * the sum of squares of neighbouring channels)^beta. */
const responseNorm = composed((node, parts) => {
  const source = node.inputs[0]!
  const size = node.int('size', 5)
  const images = parts.dims(source)[0]
  const [channels = 1, ...maps] = parts.dims(source).flatMap((_, axis) => (axis === 0 ? [] : [parts.context.known(source, axis)]))
  const cells = maps.reduce((product, side) => product * side, 1)
  // Channels as the sides of maps, over which a window moves.
  const squares = parts.reshape(parts.two('Mul', source, source), [0, 1, channels, cells], [images, 1, channels, cells])
  const [before, behind] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)]
  const ones = parts.context.constant(`grad/ones/${size}`, {
    type: 'float32',
    shape: [1, 1, size, 1],
    data: new Float32Array(size).fill(node.float('alpha', 1e-4) / size),
  })
  const padded = parts.op(
    'Pad',
    [squares, parts.context.ints(0, 0, before, 0, 0, 0, behind, 0)],
    [images, 1, before + channels + behind, cells],
  )
  const sums = parts.op('Conv', [padded, ones], parts.dims(squares))
  const total = parts.two('Add', parts.reshapeLike(sums, source), node.float('bias', 1))
  return parts.two('Mul', source, parts.op('Pow', [total, parts.context.number(-node.float('beta', 0.75))], parts.dims(source)))
})

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
    const isEqual = counts && node.int('ceil_mode', 0) === 0
    const channels = context.known(node.inputs[0]!, 1)
    const cells = kernel.reduce((product, side) => product * side, 1)
    const share = isEqual ? 1 / cells : 1
    const data = new Float32Array(channels * cells).fill(share)
    const name = `grad/mean/${channels}/${kernel.join('x')}/${share}`
    const weight = context.constant(name, { type: 'float32', shape: [channels, 1, ...kernel], data })
    const shared = isEqual ? gradient : context.mul(gradient, cellShares(node, window, context))
    return transposed(shared, weight, window, { node, group: channels }, context)
  })

/** One over the number of cells that each window averages: those that lie on the map, or on its padding where that counts. */
function cellShares(node: GradientNode, { kernel, strides, dilations, pads }: Window, context: GradientContext): string {
  const includes = node.int('count_include_pad', 0) === 1
  const rank = kernel.length
  const sides = kernel.map((side, i) => {
    const size = context.known(node.inputs[0]!, i + 2)
    const [low, high] = includes ? [-pads[i]!, size + pads[i + rank]!] : [0, size]
    return Array.from({ length: context.known(node.output, i + 2) }, (_, at) => {
      const start = at * strides[i]! - pads[i]!
      return Array.from({ length: side }, (_cell, k) => start + k * dilations[i]!).filter(cell => cell >= low && cell < high).length
    })
  })
  const shape = [1, 1, ...sides.map(({ length }) => length)]
  const products = sides.reduce<number[]>((all, side) => all.flatMap(product => side.map(count => product * count)), [1])
  const name = `grad/shares/${node.output}`
  return context.constant(name, { type: 'float32', shape, data: Float32Array.from(products, count => 1 / count) })
}

/** Rules of windows that move over maps. */
export const windowRules: Readonly<Record<string, GradientRule>> = {
  AveragePool: averagePool,
  Conv: conv,
  ConvTranspose: convTranspose,
  LRN: responseNorm,
  MaxPool: maxPool,
}
