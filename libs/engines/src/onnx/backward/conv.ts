import type { NodeOf, OpAttributes } from '@layermill/models'
import { int, ints, type OnnxAttribute } from '../graph.js'
import type { TrainingContext } from './context.js'

/** One convolution's values, whatever its weights come from. */
export interface ConvValues {
  readonly attributes: OpAttributes['conv']
  /** Node names, for shapes: what it reads, and the one that holds its value. */
  readonly source: string
  readonly target: string
  /** ONNX values of what it reads, the weights and the gradient of its value. */
  readonly input: string
  readonly weight: string
  readonly gradient: string
}

interface Geometry {
  readonly inChannels: number
  readonly outChannels: number
  readonly input: readonly [height: number, width: number]
  readonly output: readonly [height: number, width: number]
  /** Rows and columns at the end that no window reaches. */
  readonly rest: readonly [height: number, width: number]
}

/** Up to so many input channels, a convolution over the batch is the fastest way to the weights' gradient. */
const FEW_CHANNELS = 8
/** From so many cells on, products per window position beat one product with all of them side by side, which is also 9 to 25 times as large. */
const MANY_CELLS = 1000

function geometry(context: TrainingContext, { attributes, source, target }: ConvValues): Geometry {
  const [inChannels, height, width] = context.shape(source)
  const [outChannels, outHeight, outWidth] = context.shape(target)
  const { kernel, stride, pad } = attributes
  const rest = (axis: 0 | 1, size: number): number => (size + 2 * pad[axis] - kernel[axis]) % stride[axis]
  return {
    inChannels: inChannels!,
    outChannels: outChannels!,
    input: [height!, width!],
    output: [outHeight!, outWidth!],
    rest: [rest(0, height!), rest(1, width!)],
  }
}

export function convAttributes({ kernel, stride, pad }: OpAttributes['conv']): Record<string, OnnxAttribute> {
  return { kernel_shape: ints(...kernel), strides: ints(...stride), pads: ints(pad[0], pad[1], pad[0], pad[1]) }
}

/**
 * Gradient of what a convolution reads. At stride 1 a convolution with the weights turned around and their channels swapped, else
 * the transposed convolution; rows that no window reached get zeros.
 */
export function inputGradient(context: TrainingContext, conv: ConvValues): string {
  const { kernel, stride, pad } = conv.attributes
  const turned: readonly [number, number] = [kernel[0] - 1 - pad[0], kernel[1] - 1 - pad[1]]
  if (stride[0] > 1 || stride[1] > 1 || turned[0] < 0 || turned[1] < 0) {
    const { rest } = geometry(context, conv)
    return context.op('ConvTranspose', [conv.gradient, conv.weight], { ...convAttributes(conv.attributes), output_padding: ints(...rest) })
  }
  let weight = context.transpose(conv.weight, 1, 0, 2, 3)
  if (kernel[0] > 1 || kernel[1] > 1) weight = context.slice(weight, [-1, -1], [-1 - kernel[0], -1 - kernel[1]], [2, 3], [-1, -1])
  return context.op('Conv', [conv.gradient, weight], { kernel_shape: ints(...kernel), pads: ints(...turned, ...turned) })
}

/** Both as matrices of all images together: the gradient [out, N*cells], what is read [N*cells, channels], multiplied. */
function joinedProduct(context: TrainingContext, gradient: string, cells: string): string {
  return context.op('MatMul', [gradient, cells])
}

/** Image by image [out, cells] * [cells, channels], then added up. */
function productPerImage(context: TrainingContext, gradient: string, input: string): string {
  const products = context.op('MatMul', [gradient, context.transpose(input, 0, 2, 1)])
  return context.op('ReduceSum', [products, context.ints(0)], { keepdims: int(0) })
}

/** What the windows' cell (row, column) sees, for all windows: `input` with its padding, from there in steps of the stride. */
function windowCell(context: TrainingContext, padded: string, { attributes, cell, output, axes }: WindowCell): string {
  const ends = cell.map((start, axis) => start + (output[axis]! - 1) * attributes.stride[axis]! + 1)
  return context.slice(padded, cell, ends, axes, attributes.stride)
}

interface WindowCell {
  readonly attributes: OpAttributes['conv']
  readonly cell: readonly [row: number, column: number]
  readonly output: readonly [height: number, width: number]
  readonly axes: readonly [number, number]
}

function windowCells({ kernel }: OpAttributes['conv']): (readonly [number, number])[] {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, i) => [Math.floor(i / kernel[1]), i % kernel[1]])
}

/** [out, channels] for a 1x1 kernel. */
function pointwise(context: TrainingContext, conv: ConvValues, { inChannels, outChannels, output }: Geometry): string {
  const { attributes } = conv
  const cells = output[0] * output[1]
  const strided = attributes.stride.some(step => step > 1) || attributes.pad.some(pad => pad > 0)
  const padded = attributes.pad.some(pad => pad > 0) ? pad(context, conv.input, attributes.pad, 'channelsFirst') : conv.input
  const input = strided ? windowCell(context, padded, { attributes, cell: [0, 0], output, axes: [2, 3] }) : padded
  // The products of single images are worth their memory only where they are smaller than what they are made of.
  if (inChannels * outChannels <= (inChannels + outChannels) * cells) {
    const gradient = context.reshape(conv.gradient, 0, outChannels, cells)
    return productPerImage(context, gradient, context.reshape(input, 0, inChannels, cells))
  }
  const gradient = context.reshape(context.transpose(conv.gradient, 1, 0, 2, 3), outChannels, -1)
  return joinedProduct(context, gradient, context.reshape(context.transpose(input, 0, 2, 3, 1), -1, inChannels))
}

type Layout = 'channelsFirst' | 'channelsLast'

function pad(context: TrainingContext, value: string, [rows, columns]: readonly [number, number], layout: Layout): string {
  if (rows === 0 && columns === 0) return value
  const each = layout === 'channelsFirst' ? [0, 0, rows, columns] : [0, rows, columns, 0]
  return context.op('Pad', [value, context.ints(...each, ...each)])
}

/** [cells of the window, out, channels]: a product for each cell of the window. */
function productPerCell(context: TrainingContext, conv: ConvValues, { inChannels, outChannels, output }: Geometry): string {
  const { attributes } = conv
  const padded = pad(context, conv.input, attributes.pad, 'channelsFirst')
  const gradient = context.reshape(conv.gradient, 0, outChannels, output[0] * output[1])
  const products = windowCells(attributes).map(cell => {
    const seen = windowCell(context, padded, { attributes, cell, output, axes: [2, 3] })
    return productPerImage(context, gradient, context.reshape(seen, 0, inChannels, output[0] * output[1]))
  })
  const stacked = context.op('Concat', products, { axis: int(0) })
  return context.transpose(context.reshape(stacked, products.length, outChannels, inChannels), 1, 2, 0)
}

/** [out, channels, cells of the window]: one product with what all cells of the window see side by side, channels last. */
function sideBySide(context: TrainingContext, conv: ConvValues, { inChannels, outChannels, output }: Geometry): string {
  const { attributes } = conv
  const padded = pad(context, context.transpose(conv.input, 0, 2, 3, 1), attributes.pad, 'channelsLast')
  const cells = windowCells(attributes).map(cell =>
    context.reshape(windowCell(context, padded, { attributes, cell, output, axes: [1, 2] }), -1, inChannels))
  const gradient = context.reshape(context.transpose(conv.gradient, 1, 0, 2, 3), outChannels, -1)
  const product = joinedProduct(context, gradient, context.op('Concat', cells, { axis: int(1) }))
  return context.transpose(context.reshape(product, outChannels, cells.length, inChannels), 0, 2, 1)
}

/** As a convolution in which batch and channels have changed places: [channels, out, kernel and what the stride left over]. */
function overBatch(context: TrainingContext, conv: ConvValues): string {
  const { kernel, stride, pad: padding } = conv.attributes
  const [input, gradient] = [context.transpose(conv.input, 1, 0, 2, 3), context.transpose(conv.gradient, 1, 0, 2, 3)]
  const product = context.op('Conv', [input, gradient], { pads: ints(...padding, ...padding), dilations: ints(...stride) })
  return context.transpose(context.slice(product, [0, 0], kernel, [2, 3], [1, 1]), 1, 0, 2, 3)
}

/** Gradient of a convolution's weights [out, channels, height, width]. */
export function weightGradient(context: TrainingContext, conv: ConvValues): string {
  const shape = geometry(context, conv)
  const { kernel } = conv.attributes
  const { inChannels, outChannels, output } = shape
  const restore = (value: string): string => context.reshape(value, outChannels, inChannels, ...kernel)
  if (kernel[0] === 1 && kernel[1] === 1) return restore(pointwise(context, conv, shape))
  if (inChannels <= FEW_CHANNELS) return overBatch(context, conv)
  return restore(output[0] * output[1] >= MANY_CELLS ? productPerCell(context, conv, shape) : sideBySide(context, conv, shape))
}

/** Sum over all but the channels: [channels]. */
export function channelSum(context: TrainingContext, value: string): string {
  return context.op('ReduceSum', [value, context.ints(0, 2, 3)], { keepdims: int(0) })
}

export function convBackward(node: NodeOf<'conv'>, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  const { weight, bias } = node.parameters
  const values = { attributes: node.attributes, source, target: node.name, input: context.value(source), weight: context.weight(weight), gradient }
  if (context.learns(weight)) context.setParameterGradient(weight, weightGradient(context, values))
  if (context.learns(bias)) context.setParameterGradient(bias, channelSum(context, gradient))
  if (context.needs(source)) context.accumulate(source, inputGradient(context, values))
}
