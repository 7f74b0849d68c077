import type { NodeOf, OpAttributes } from '@layermill/models'
import { int, ints } from '../graph.js'
import { windowAttributes } from '../lower/rules.js'
import type { TrainingContext } from './context.js'
import type { KernelShape } from './layouts.js'
import { put, take } from './selection.js'

/** One convolution's values, whatever its weights come from. */
export interface ConvValues {
  readonly attributes: OpAttributes['conv']
  /** Node names, for shapes: what it reads, and the one that holds its value. */
  readonly source: string
  readonly target: string
  /** ONNX values of what it reads and the gradient of its value, in any arrangement, and of the weights. */
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
const fewChannels = 8
/** From so many cells on, products of single images beat products over the batch, for which values must lie channels last. */
const manyCells = 1000

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

interface ConvNode {
  readonly name: string
  readonly source: string
  readonly attributes: OpAttributes['conv']
  /** ONNX values: what it reads, in any arrangement, the weights and, where there is one, the bias. */
  readonly inputs: readonly [input: string, weight: string, bias?: string]
}

/** Appends a convolution, on blocked values where its weights change: the runtime does the same by itself where they are constant. */
export function emitConv(context: TrainingContext, { name, source, attributes, inputs: [input, weight, ...bias] }: ConvNode): string {
  const { layouts } = context
  const shape = kernelShape(context, { attributes, source, target: name })
  const rest = bias.filter(value => value !== undefined)
  if (!context.changes(name) || !layouts.fits(shape)) {
    return context.emit('Conv', [layouts.plain(input), weight, ...rest], name, windowAttributes(attributes))
  }
  const read = layouts.isWhole(shape.inChannels) ? layouts.blocked(input, shape.inChannels) : layouts.plain(input)
  return layouts.conv([read, layouts.weightForward(weight, shape), ...rest], windowAttributes(attributes), shape.outChannels)
}

function kernelShape(
  context: TrainingContext,
  { attributes, source, target }: Pick<ConvValues, 'attributes' | 'source' | 'target'>,
): KernelShape {
  return { outChannels: context.shape(target)[0]!, inChannels: context.shape(source)[0]!, kernel: attributes.kernel }
}

/**
 * Gradient of what a convolution reads. At stride 1 a convolution with the weights turned around and their channels swapped, for a 1x1
 * kernel with steps the same and then put in place, else the transposed convolution; rows that no window reached get zeros.
 */
export function inputGradient(context: TrainingContext, conv: ConvValues): string {
  const { kernel, stride, pad } = conv.attributes
  const turned: readonly [number, number] = [kernel[0] - 1 - pad[0], kernel[1] - 1 - pad[1]]
  const steps = stride[0] > 1 || stride[1] > 1
  if (steps && kernel[0] === 1 && kernel[1] === 1 && pad[0] === 0 && pad[1] === 0)
    return spread(context, conv, swappedConv(context, conv, turned))
  if (!steps && turned[0] >= 0 && turned[1] >= 0) return swappedConv(context, conv, turned)
  const { rest } = geometry(context, conv)
  const inputs = [context.layouts.plain(conv.gradient), conv.weight]
  return context.op('ConvTranspose', inputs, { ...windowAttributes(conv.attributes), output_padding: ints(...rest) })
}

/** The convolution with the weights turned around and their channels swapped, stride 1. */
function swappedConv(context: TrainingContext, conv: ConvValues, pad: readonly [number, number]): string {
  const { layouts } = context
  const { kernel } = conv.attributes
  const shape = kernelShape(context, conv)
  const attributes = { kernel_shape: ints(...kernel), pads: ints(...pad, ...pad) }
  if (layouts.isWhole(shape.inChannels) && layouts.isWhole(shape.outChannels)) {
    const inputs = [layouts.blocked(conv.gradient, shape.outChannels), layouts.weightBackward(conv.weight, shape)]
    return layouts.conv(inputs, attributes, shape.inChannels)
  }
  const swapped = context.transpose(conv.weight, 1, 0, 2, 3)
  const weight = kernel[0] > 1 || kernel[1] > 1 ? turnedAround(context, swapped, kernel) : swapped
  return context.op('Conv', [layouts.plain(conv.gradient), weight], attributes)
}

/**
 * [..., height, width] with the last cell first: as a product with a matrix of zeros and ones, which is exact, since a Slice with
 * negative steps goes cell by cell in one thread.
 */
function turnedAround(context: TrainingContext, weight: string, [height, width]: readonly [number, number]): string {
  const cells = height * width
  const order = Array.from({ length: cells }, (_, i) => cells - 1 - i)
  const flat = context.reshape(weight, 0, 0, 1, cells)
  return context.reshape(take(context, flat, 1, order, cells), 0, 0, height, width)
}

/** Puts what was computed for each window of a 1x1 kernel with steps into the cell that it looks at. */
function spread(context: TrainingContext, conv: ConvValues, small: string): string {
  const { input, output } = geometry(context, conv)
  const { stride } = conv.attributes
  if (context.layouts.isBlocked(small)) return context.layouts.spread(small, { from: output, to: input, stride })
  const cells = ([0, 1] as const).map(axis => Array.from({ length: output[axis] }, (_, window) => window * stride[axis]))
  return put(context, put(context, small, 1, cells[1]!, input[1]), 0, cells[0]!, input[0])
}

type Layout = 'channelsFirst' | 'channelsLast'

function windowCells({ kernel }: OpAttributes['conv']): (readonly [number, number])[] {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, i) => [Math.floor(i / kernel[1]), i % kernel[1]])
}

/** Values that the cells of the windows see, for all windows. A kernel of one cell without padding and steps sees the whole input. */
function seenByCells(
  context: TrainingContext,
  { input, attributes }: ConvValues,
  { input: size, output }: Geometry,
  layout: Layout,
): string[] {
  const { kernel, stride, pad } = attributes
  const arranged = (seen: string): string => (layout === 'channelsFirst' ? context.layouts.plain(seen) : context.layouts.channelsLast(seen))
  const single = kernel.every(size => size === 1) && pad.every(size => size === 0)
  if (single && stride.every(step => step === 1)) return [arranged(input)]
  if (single && context.layouts.isBlocked(input)) return [arranged(context.layouts.everyStride(input, { from: size, to: output, stride }))]
  const value = arranged(input)
  const each = layout === 'channelsFirst' ? [0, 0, ...pad] : [0, ...pad, 0]
  const padded = pad.every(size => size === 0) ? value : context.op('Pad', [value, context.ints(...each, ...each)])
  return windowCells(attributes).map(cell => {
    const ends = cell.map((start, axis) => start + (output[axis]! - 1) * stride[axis]! + 1)
    return context.slice(padded, cell, ends, layout === 'channelsFirst' ? [2, 3] : [1, 2], stride)
  })
}

/** [out, cells, channels]: a product for each image and cell of the window, added up over the images. */
function productPerImage(context: TrainingContext, conv: ConvValues, shape: Geometry): string {
  const { inChannels, outChannels, output } = shape
  const flat = (value: string, channels: number): string => context.reshape(value, 0, channels, output[0] * output[1])
  const gradient = flat(context.layouts.plain(conv.gradient), outChannels)
  return sideBySide(
    context,
    shape,
    seenByCells(context, conv, shape, 'channelsFirst').map(seen => {
      const products = context.op('MatMul', [gradient, context.transpose(flat(seen, inChannels), 0, 2, 1)])
      return context.op('ReduceSum', [products, context.ints(0)], { keepdims: int(0) })
    }),
  )
}

/**
 * [out, cells, channels]: a product for each cell of the window, of the gradient [out, N*windows] with what the cell sees [N*windows,
 * channels].
 */
function joinedProduct(context: TrainingContext, conv: ConvValues, shape: Geometry): string {
  const { inChannels, outChannels } = shape
  const gradient = context.reshape(context.transpose(context.layouts.plain(conv.gradient), 1, 0, 2, 3), outChannels, -1)
  const seen = seenByCells(context, conv, shape, 'channelsLast')
  return sideBySide(
    context,
    shape,
    seen.map(value => context.op('MatMul', [gradient, context.reshape(value, -1, inChannels)])),
  )
}

/** [out, cells, channels] of one [out, channels] for each cell. */
function sideBySide(context: TrainingContext, { inChannels, outChannels }: Geometry, each: readonly string[]): string {
  if (each.length === 1) return each[0]!
  return context.op(
    'Concat',
    each.map(value => context.reshape(value, outChannels, 1, inChannels)),
    { axis: int(1) },
  )
}

/** [out, channels, cells of the window] */
function products(context: TrainingContext, conv: ConvValues, shape: Geometry): string {
  const { inChannels, outChannels, output } = shape
  const [height, width] = conv.attributes.kernel
  const [cells, windows] = [height * width, output[0] * output[1]]
  if (cells === 1) {
    // The products of single images are worth their memory only where they are smaller than what they are made of.
    const small = inChannels * outChannels <= (inChannels + outChannels) * windows
    return small ? productPerImage(context, conv, shape) : joinedProduct(context, conv, shape)
  }
  const product = windows >= manyCells ? productPerImage(context, conv, shape) : joinedProduct(context, conv, shape)
  return context.transpose(product, 0, 2, 1)
}

/** As a convolution in which batch and channels have changed places: [channels, out, kernel and what the stride left over]. */
function overBatch(context: TrainingContext, conv: ConvValues): string {
  const { kernel, stride, pad: padding } = conv.attributes
  const [input, gradient] = [conv.input, conv.gradient].map(value => context.transpose(context.layouts.plain(value), 1, 0, 2, 3)) as [
    string,
    string,
  ]
  const product = context.op('Conv', [input, gradient], { pads: ints(...padding, ...padding), dilations: ints(...stride) })
  return context.transpose(context.slice(product, [0, 0], kernel, [2, 3], [1, 1]), 1, 0, 2, 3)
}

/** Gradient of a convolution's weights [out, channels, height, width]. */
export function weightGradient(context: TrainingContext, conv: ConvValues): string {
  const shape = geometry(context, conv)
  const { kernel } = conv.attributes
  const few = shape.inChannels <= fewChannels && (kernel[0] > 1 || kernel[1] > 1)
  return few ? overBatch(context, conv) : context.reshape(products(context, conv, shape), shape.outChannels, shape.inChannels, ...kernel)
}

export function convForward(node: NodeOf<'conv'>, [input]: readonly string[], context: TrainingContext): string {
  const { weight, bias } = node.parameters
  const parameters = [context.weight(weight), ...(bias === undefined ? [] : [context.weight(bias)])] as [string, string?]
  return emitConv(context, { name: node.name, source: node.inputs[0]!, attributes: node.attributes, inputs: [input!, ...parameters] })
}

export function convBackward(node: NodeOf<'conv'>, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  const { weight, bias } = node.parameters
  const values = {
    attributes: node.attributes,
    source,
    target: node.name,
    input: context.raw(source),
    weight: context.weight(weight),
    gradient,
  }
  if (context.learns(weight)) context.setParameterGradient(weight, weightGradient(context, values))
  if (context.learns(bias)) context.setParameterGradient(bias, context.layouts.channelSum(gradient))
  if (context.needs(source)) context.accumulate(source, inputGradient(context, values))
}
