import { int, text } from '../graph.js'
import { axisOf, type GradientRule } from './context.js'

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

/** Pieces along an axis, put together again. */
const split: GradientRule = (node, _, context, gradients) =>
  context.accumulate(node.inputs[0], () => {
    const rank = context.dims(node.inputs[0]!).length
    const pieces = node.outputs.map((output, i) => gradients[i] ?? context.zerosLike(output))
    return context.op('Concat', pieces, { axis: int(axisOf(node.int('axis', 0), rank)) })
  })

const expand: GradientRule = (node, gradient, context) => context.accumulateSpread(node.inputs[0], node.output, () => gradient)

/** Repetitions: sides of one are those of Expand; of others, each repetition is a side of its own, and added up. */
const tile: GradientRule = (node, gradient, context, gradients) => {
  const [from, to] = [context.dims(node.inputs[0]!), context.dims(node.output)]
  const repeats = context.numbers(node, 1, 'repeats')
  const isOnce = (side: number | undefined, axis: number): boolean => repeats?.[axis] === 1 || (side !== undefined && side === to[axis])
  if (from.every((side, axis) => side === 1 || isOnce(side, axis))) return expand(node, gradient, context, gradients)
  context.accumulate(node.inputs[0], () => {
    // Pairs of sides: repetitions, then what is repeated.
    const pairs = from.flatMap((_, axis) => {
      const side = context.slice(context.shapeOf(node.inputs[0]!), [axis], [axis + 1], [0])
      const times = context.op('Slice', [node.inputs[1]!, context.ints(axis), context.ints(axis + 1), context.ints(0)])
      return [times, side]
    })
    const apart = context.op('Reshape', [gradient, context.op('Concat', pairs, { axis: int(0) })])
    const summed = context.op('ReduceSum', [apart, context.ints(...from.map((_, axis) => 2 * axis))], { keepdims: int(0) })
    return context.reshapeLike(summed, node.inputs[0]!)
  })
}

/** Channels in blocks of a map: what one of them did, the other does back. */
const depthToSpace: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const size = node.int('blocksize', 1)
    if (node.text('mode', 'DCR') === 'DCR') return context.op('SpaceToDepth', [gradient], { blocksize: int(size) })
    const [channels, height, width] = [1, 2, 3].map(axis => context.known(node.inputs[0]!, axis)) as [number, number, number]
    const apart = context.reshape(gradient, -1, channels / size ** 2, height, size, width, size)
    return context.reshape(context.transpose(apart, 0, 1, 3, 5, 2, 4), -1, channels, height, width)
  })

const spaceToDepth: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () =>
    context.op('DepthToSpace', [gradient], { blocksize: int(node.int('blocksize', 1)), mode: text('DCR') }),
  )

/** The same triangle of the gradient. */
const triangle: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => context.op('Trilu', [gradient, ...node.inputs.slice(1)], { upper: int(node.int('upper', 1)) }))

/** Sums from the other end. */
const cumulative: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () =>
    context.op('CumSum', [gradient, node.inputs[1]!], {
      exclusive: int(node.int('exclusive', 0)),
      reverse: int(1 - node.int('reverse', 0)),
    }),
  )

/** Rules of what moves elements, or repeats them. */
export const arrangingRules: Readonly<Record<string, GradientRule>> = {
  Concat: concat,
  CumSum: cumulative,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: reshape,
  Reshape: reshape,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: reshape,
  Tile: tile,
  Transpose: transpose,
  Trilu: triangle,
  Unsqueeze: reshape,
}
