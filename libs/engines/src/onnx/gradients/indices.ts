import { int, text } from '../graph.js'
import { axisOf, type GradientContext, type GradientNode, type GradientRule } from './context.js'

/** Places of a gradient along an axis of a value, which is 0 elsewhere. */
interface Places {
  readonly rank: number
  readonly axis: number
  /** Whose side along the axis the result has. */
  readonly source: string
  /** Places that are known, or a value that holds them, as a vector. */
  readonly indices: readonly number[] | string
}

/** The side of a value, as a vector of one number: computed where it is not known. */
function sideOf(value: string, axis: number, context: GradientContext): string {
  const known = context.dims(value)[axis]
  return known === undefined ? context.slice(context.shapeOf(value), [axis], [axis + 1], [0]) : context.ints(known)
}

/** Elements of a gradient added up at places of a longer side. */
function scatter(gradient: string, { rank, axis, source, indices }: Places, context: GradientContext): string {
  const shape = context.shapeOf(gradient)
  const column = Array.from({ length: rank }, (_, i) => (i === axis ? -1 : 1))
  const vector = typeof indices === 'string' ? indices : context.ints(...indices)
  const index = context.op('Expand', [context.reshape(vector, ...column), shape])
  const before = context.slice(shape, [0], [axis], [0])
  const behind = context.slice(shape, [axis + 1], [rank], [0])
  const whole = context.op('Concat', [before, sideOf(source, axis, context), behind], { axis: int(0) })
  const zeros = context.op('ConstantOfShape', [whole])
  return context.op('ScatterElements', [zeros, index, gradient], { axis: int(axis), reduction: text('add') })
}

/** The indices that a slice takes of a side of `length`. */
function sliced(length: number, start: number, end: number, step: number): number[] {
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value < 0 ? value + length : value))
  const [first, last] =
    step > 0 ? [clamp(start, 0, length), clamp(end, 0, length)] : [clamp(start, 0, length - 1), clamp(end, -1, length - 1)]
  const count = Math.max(0, Math.ceil((last - first) / step))
  return Array.from({ length: count }, (_, i) => first + i * step)
}

/** A slice of a side whose length, or whose bounds, are known only when it is computed: the same slice of all places tells which. */
function computedIndices(node: GradientNode, source: string, i: number, axis: number, context: GradientContext): string {
  const side = context.reshape(sideOf(source, axis, context))
  const all = context.op('Range', [context.scalar(0), side, context.scalar(1)])
  const one = (input: number, attribute: string, otherwise: number): string => {
    const listed = node.ints(attribute)
    if (listed !== undefined) return context.ints(listed[i]!)
    const name = node.inputs[input]
    return name === undefined || name === ''
      ? context.ints(otherwise)
      : context.op('Cast', [context.slice(name, [i], [i + 1], [0])], { to: int(7) })
  }
  return context.op('Slice', [all, one(1, 'starts', 0), one(2, 'ends', 0), context.ints(0), one(4, 'steps', 1)])
}

const slice: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const dims = context.dims(source)
    const rank = dims.length
    const starts = context.numbers(node, 1, 'starts')
    const ends = context.numbers(node, 2, 'ends')
    const given = node.inputs[3]
    const listed = context.numbers(node, 3, 'axes')
    if (listed === undefined && given !== undefined && given !== '') throw new RangeError('a slice of computed axes has no gradient here')
    const count = listed?.length ?? starts?.length ?? context.dims(node.inputs[1]!)[0]
    if (count === undefined) throw new RangeError('a slice of computed axes has no gradient here')
    const axes = (listed ?? Array.from({ length: count }, (_, i) => i)).map(axis => axisOf(axis, rank))
    const steps = context.numbers(node, 4, 'steps') ?? axes.map(() => 1)
    return axes.reduceRight((value, axis, i) => {
      const length = dims[axis]
      const isKnown = length !== undefined && starts !== undefined && ends !== undefined
      const indices = isKnown ? sliced(length, starts[i]!, ends[i]!, steps[i]!) : computedIndices(node, source, i, axis, context)
      return scatter(value, { rank, axis, source, indices }, context)
    }, gradient)
  })

const gather: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const [source, index] = node.inputs as [string, string]
    const rank = context.dims(source).length
    const axis = axisOf(node.int('axis', 0), rank)
    const sides = context.dims(index).length
    const behind = Array.from({ length: rank - axis - 1 }, (_, i) => axis + 1 + i)
    // Sides before the axis are where they were.
    const inOneSide = (): string =>
      context.reshape(gradient, ...Array.from({ length: axis }, () => 0), -1, ...behind.map(side => context.known(source, side)))
    const given = sides === 0 ? context.op('Unsqueeze', [gradient, context.ints(axis)]) : sides === 1 ? gradient : inOneSide()
    const [indices, length] = [context.forward.integers(index), context.dims(source)[axis]]
    const known = indices === undefined || length === undefined ? undefined : indices.map(value => axisOf(value, length))
    const computed = (): string => context.op('Cast', [context.reshape(index, -1)], { to: int(7) })
    return scatter(given, { rank, axis, source, indices: known ?? computed() }, context)
  })

/** Elements back at the places that they were taken from. */
const gatherElements: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const [source, index] = node.inputs as [string, string]
    const settings = { axis: int(node.int('axis', 0)), reduction: text('add') }
    return context.op('ScatterElements', [context.zerosLike(source), index, gradient], settings)
  })

const gatherNd: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const [source, index] = node.inputs as [string, string]
    if (node.int('batch_dims', 0) !== 0) throw new RangeError('GatherND within batches has no gradient here')
    return context.op('ScatterND', [context.zerosLike(source), index, gradient], { reduction: text('add') })
  })

/** Whether updates are added to what is there, instead of replacing it. */
function isAdding(node: GradientNode, op: string): boolean {
  const kind = node.text('reduction', 'none')
  if (kind !== 'none' && kind !== 'add') throw new RangeError(`${op} by ${kind} has no gradient here`)
  return kind === 'add'
}

/** Gradients of updates come from where they were put; elements that they replaced have none. */
const scatterNd: GradientRule = (node, gradient, context) => {
  const [source, index, updates] = node.inputs as [string, string, string]
  const isAdded = isAdding(node, 'ScatterND')
  context.accumulate(source, () => (isAdded ? gradient : context.op('ScatterND', [gradient, index, context.zerosLike(updates)])))
  context.accumulate(updates, () => context.op('GatherND', [gradient, index]))
}

const scatterElements: GradientRule = (node, gradient, context) => {
  const [source, index, updates] = node.inputs as [string, string, string]
  const isAdded = isAdding(node, 'ScatterElements')
  const settings = { axis: int(node.int('axis', 0)) }
  context.accumulate(source, () =>
    isAdded ? gradient : context.op('ScatterElements', [gradient, index, context.zerosLike(updates)], settings),
  )
  context.accumulate(updates, () => context.op('GatherElements', [gradient, index], settings))
}

/** The largest elements: their places are the second result. */
const largest: GradientRule = (node, _, context, [gradient]) => {
  if (gradient === undefined) return
  context.accumulate(node.inputs[0], () => {
    const settings = { axis: int(node.int('axis', -1)), reduction: text('add') }
    return context.op('ScatterElements', [context.zerosLike(node.inputs[0]!), node.outputs[1]!, gradient], settings)
  })
}

/** The element that each place of a padded side shows; -1 for those of the constant. */
function shown(mode: string, length: number, before: number, behind: number): number[] {
  const cycle = Math.max(1, 2 * (length - 1))
  const mirrored = (at: number): number => {
    const within = ((at % cycle) + cycle) % cycle
    return within < length ? within : cycle - within
  }
  const place = (at: number): number => {
    if (at >= 0 && at < length) return at
    switch (mode) {
      case 'reflect':
        return mirrored(at)
      case 'edge':
        return at < 0 ? 0 : length - 1
      case 'wrap':
        return ((at % length) + length) % length
      default:
        return -1
    }
  }
  return Array.from({ length: before + length + behind }, (_, i) => place(i - before))
}

/** Padding: each place gives its gradient to the element that it shows. */
const pad: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const rank = context.dims(source).length
    const mode = node.text('mode', 'constant')
    const pads = context.numbers(node, 1, 'pads')
    if (pads === undefined) throw new RangeError('padding by computed widths has no gradient here')
    return context.axes(node, 3).reduceRight((value, axis, i, axes) => {
      const [before, behind] = [pads[i]!, pads[i + axes.length]!]
      if (before === 0 && behind === 0) return value
      const length = context.known(source, axis)
      const indices = shown(mode, length, before, behind)
      const first = indices.findIndex(index => index >= 0)
      const inside = indices.filter(index => index >= 0)
      const cut = inside.length === indices.length ? value : context.slice(value, [first], [first + inside.length], [axis])
      const isWhole = inside.length === length && inside.every((index, at) => index === at)
      return isWhole ? cut : scatter(cut, { rank, axis, source, indices: inside }, context)
    }, gradient)
  })

/** Rules of what takes elements from places, or puts them there. */
export const indexRules: Readonly<Record<string, GradientRule>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  Pad: pad,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  Slice: slice,
  TopK: largest,
}
