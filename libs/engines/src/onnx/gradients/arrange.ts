import { int, text } from '../graph.js'
import { axisOf, type GradientContext, type GradientNode, type GradientRule } from './context.js'

/** Whole numbers that newer operator sets take as an input, older ones as an attribute. */
function numbersOf(node: GradientNode, input: number, attribute: string, context: GradientContext): readonly number[] | undefined {
  const name = node.inputs[input]
  return (name === undefined || name === '' ? undefined : context.forward.integers(name)) ?? node.ints(attribute)
}

const reshape: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => context.reshapeLike(gradient, node.inputs[0]!))

const transpose: GradientRule = (node, gradient, context) => {
  const rank = context.dims(node.output).length
  const order = node.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
  const inverse = order.map((_, axis) => order.indexOf(axis))
  context.accumulate(node.inputs[0], () => context.transpose(gradient, ...inverse))
}

const concat: GradientRule = (node, gradient, context) => {
  const axis = axisOf(node.int('axis', 0), context.dims(node.output).length)
  let start = 0
  for (const input of node.inputs) {
    const [from, end] = [start, start + context.known(input, axis)]
    context.accumulate(input, () => context.slice(gradient, [from], [end], [axis]))
    start = end
  }
}

/** Places of a gradient along an axis of a value of `length` there, which is 0 elsewhere. */
interface Places {
  readonly rank: number
  readonly axis: number
  readonly length: number
  readonly indices: readonly number[]
}

function scatter(gradient: string, { rank, axis, length, indices }: Places, context: GradientContext): string {
  const shape = context.shapeOf(gradient)
  const column = Array.from({ length: rank }, (_, i) => (i === axis ? indices.length : 1))
  const index = context.op('Expand', [context.reshape(context.ints(...indices), ...column), shape])
  const before = context.slice(shape, [0], [axis], [0])
  const behind = context.slice(shape, [axis + 1], [rank], [0])
  const whole = context.op('Concat', [before, context.ints(length), behind], { axis: int(0) })
  const zeros = context.op('ConstantOfShape', [whole])
  return context.op('ScatterElements', [zeros, index, gradient], { axis: int(axis), reduction: text('add') })
}

/** Pieces along an axis, put together again. */
const split: GradientRule = (node, _, context, gradients) =>
  context.accumulate(node.inputs[0], () => {
    const rank = context.dims(node.inputs[0]!).length
    const pieces = node.outputs.map((output, i) => gradients[i] ?? context.zerosLike(output))
    return context.op('Concat', pieces, { axis: int(axisOf(node.int('axis', 0), rank)) })
  })

/** Padding by a constant: what lies inside is cut out again. */
const pad: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const rank = context.dims(source).length
    if (node.text('mode', 'constant') !== 'constant') throw new RangeError(`padding by ${node.text('mode', '')} has no gradient here`)
    const pads = numbersOf(node, 1, 'pads', context)
    if (pads === undefined) throw new RangeError('padding by computed widths has no gradient here')
    const axes = (numbersOf(node, 3, 'axes', context) ?? Array.from({ length: rank }, (_, i) => i)).map(axis => axisOf(axis, rank))
    const padded = axes
      .map((axis, i) => ({ axis, before: pads[i]!, behind: pads[i + axes.length]! }))
      .filter(({ before, behind }) => before !== 0 || behind !== 0)
    if (padded.some(({ before, behind }) => before < 0 || behind < 0)) throw new RangeError('padding that cuts has no gradient here')
    if (padded.length === 0) return gradient
    const ends = padded.map(({ axis, before }) => before + context.known(source, axis))
    return context.slice(
      gradient,
      padded.map(({ before }) => before),
      ends,
      padded.map(({ axis }) => axis),
    )
  })

/** The indices that a slice takes of a side of `length`. */
function sliced(length: number, start: number, end: number, step: number): number[] {
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value < 0 ? value + length : value))
  const [first, last] =
    step > 0 ? [clamp(start, 0, length), clamp(end, 0, length)] : [clamp(start, 0, length - 1), clamp(end, -1, length - 1)]
  const count = Math.max(0, Math.ceil((last - first) / step))
  return Array.from({ length: count }, (_, i) => first + i * step)
}

const slice: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const rank = context.dims(source).length
    const starts = numbersOf(node, 1, 'starts', context)
    const ends = numbersOf(node, 2, 'ends', context)
    if (starts === undefined || ends === undefined) throw new RangeError('a slice whose bounds are computed has no gradient here')
    const axes = (numbersOf(node, 3, 'axes', context) ?? starts.map((_, i) => i)).map(axis => axisOf(axis, rank))
    const steps = numbersOf(node, 4, 'steps', context) ?? starts.map(() => 1)
    return axes.reduceRight((value, axis, i) => {
      const length = context.known(source, axis)
      return scatter(value, { rank, axis, length, indices: sliced(length, starts[i]!, ends[i]!, steps[i]!) }, context)
    }, gradient)
  })

const gather: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const [source, index] = node.inputs as [string, string]
    const rank = context.dims(source).length
    const axis = axisOf(node.int('axis', 0), rank)
    const length = context.known(source, axis)
    const indices = context.forward.integers(index)
    if (indices === undefined) throw new RangeError('a gather by computed indices has no gradient here')
    const sides = context.dims(index).length
    const behind = Array.from({ length: rank - axis - 1 }, (_, i) => context.known(source, axis + 1 + i))
    // Sides before the axis are where they were.
    const inOneSide = (): string => context.reshape(gradient, ...Array.from({ length: axis }, () => 0), indices.length, ...behind)
    const given = sides === 0 ? context.op('Unsqueeze', [gradient, context.ints(axis)]) : sides === 1 ? gradient : inOneSide()
    return scatter(given, { rank, axis, length, indices: indices.map(value => axisOf(value, length)) }, context)
  })

const expand: GradientRule = (node, gradient, context) => context.accumulateSpread(node.inputs[0], node.output, () => gradient)

/** Something that a value over axes has, spread to all elements that it was made of. */
function spreadOut(node: GradientNode, value: string, context: GradientContext): string {
  const source = node.inputs[0]!
  const rank = context.dims(source).length
  const axes = (numbersOf(node, 1, 'axes', context) ?? Array.from({ length: rank }, (_, i) => i)).map(axis => axisOf(axis, rank))
  const kept = node.int('keepdims', 1) === 1 ? value : context.op('Unsqueeze', [value, context.ints(...axes.toSorted((a, b) => a - b))])
  return context.op('Expand', [kept, context.shapeOf(source)])
}

/** The share that each element has in a mean; 1 in a sum. */
const spread =
  (isMean: boolean): GradientRule =>
  (node, gradient, context) =>
    context.accumulate(node.inputs[0], () => {
      const wide = spreadOut(node, gradient, context)
      return isMean ? context.op('Div', [wide, countOf(node.inputs[0]!, node.output, context)]) : wide
    })

/** Of a length, the unit vector; 0 where the length is 0, as in PyTorch. */
const length: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const share = context.op('Div', [gradient, context.op('Max', [node.output, context.number(1e-30)])])
    return context.mul(spreadOut(node, share, context), node.inputs[0]!)
  })

/** Repetitions of sides of one, which are those of Expand. */
const tile: GradientRule = (node, gradient, context, gradients) => {
  const [from, to] = [context.dims(node.inputs[0]!), context.dims(node.output)]
  if (from.some((side, axis) => side !== 1 && side !== to[axis]))
    throw new RangeError('a repetition of more than one row has no gradient here')
  expand(node, gradient, context, gradients)
}

/** How many elements of a value make one of a mean. */
export function countOf(source: string, mean: string, context: GradientContext): string {
  const size = (value: string): string => context.op('Cast', [context.op('Size', [value])], { to: int(1) })
  return context.op('Div', [size(source), size(mean)])
}

const globalMean: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    return context.op('Div', [context.op('Expand', [gradient, context.shapeOf(source)]), countOf(source, node.output, context)])
  })

/** Rules of what moves, takes out, or adds up elements. */
export const arrangingRules: Readonly<Record<string, GradientRule>> = {
  Concat: concat,
  Expand: expand,
  Flatten: reshape,
  Gather: gather,
  GlobalAveragePool: globalMean,
  Pad: pad,
  ReduceL2: length,
  ReduceMean: spread(true),
  ReduceSum: spread(false),
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: reshape,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: reshape,
}
