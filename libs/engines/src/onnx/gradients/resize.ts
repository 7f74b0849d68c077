import { axisOf, type GradientContext, type GradientNode, type GradientRule } from './context.js'

/** Elements of the input that make one of the result along an axis, each with its weight. */
type Taps = readonly (readonly [index: number, weight: number])[]

interface Axis {
  readonly from: number
  readonly to: number
  readonly scale: number
}

/** Place in the input of an element of the result. */
function placeOf(at: number, { from, to, scale }: Axis, mode: string): number {
  switch (mode) {
    case 'asymmetric':
      return at / scale
    case 'align_corners':
      return to === 1 ? 0 : (at * (from - 1)) / (to - 1)
    case 'pytorch_half_pixel':
      return to === 1 ? 0 : (at + 0.5) / scale - 0.5
    case 'half_pixel':
      return (at + 0.5) / scale - 0.5
    case 'half_pixel_symmetric':
      return (from / 2) * (1 - to / (from * scale)) + (at + 0.5) / scale - 0.5
    default:
      throw new RangeError(`resizing by ${mode} has no gradient here`)
  }
}

function nearest(place: number, rounding: string): number {
  switch (rounding) {
    case 'floor':
      return Math.floor(place)
    case 'ceil':
      return Math.ceil(place)
    case 'round_prefer_ceil':
      return Math.floor(place + 0.5)
    default:
      return Math.ceil(place - 0.5)
  }
}

/** Keys' weights of four neighbours, of which the second and the third lie around the place. */
function cubicWeights(fraction: number, a: number): number[] {
  const near = (t: number): number => ((a + 2) * t - (a + 3)) * t * t + 1
  const far = (t: number): number => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
  return [far(fraction + 1), near(fraction), near(1 - fraction), far(2 - fraction)]
}

function tapsOf(node: GradientNode, place: number, from: number): Taps {
  const clamp = (at: number): number => Math.min(from - 1, Math.max(0, at))
  const low = Math.floor(place)
  switch (node.text('mode', 'nearest')) {
    case 'nearest':
      return [[clamp(nearest(place, node.text('nearest_mode', 'round_prefer_floor'))), 1]]
    case 'linear': {
      const inside = clamp(place)
      const first = Math.floor(inside)
      return [
        [first, 1 - (inside - first)],
        [clamp(first + 1), inside - first],
      ]
    }
    case 'cubic': {
      const weights = cubicWeights(place - low, node.float('cubic_coeff_a', -0.75))
      const taps = weights.map((weight, i) => [low - 1 + i, weight] as const)
      if (node.int('exclude_outside', 0) === 0) return taps.map(([index, weight]) => [clamp(index), weight] as const)
      const inside = taps.filter(([index]) => index >= 0 && index < from)
      const sum = inside.reduce((total, [, weight]) => total + weight, 0)
      return inside.map(([index, weight]) => [index, weight / sum] as const)
    }
    default:
      throw new RangeError(`resizing by ${node.text('mode', '')} has no gradient here`)
  }
}

/** Rows of a matrix that makes the result's side of the input's. */
function matrix(node: GradientNode, axis: Axis): Float32Array {
  const rows = new Float32Array(axis.to * axis.from)
  const mode = node.text('coordinate_transformation_mode', 'half_pixel')
  for (let at = 0; at < axis.to; at++)
    for (const [index, weight] of tapsOf(node, placeOf(at, axis, mode), axis.from)) rows[at * axis.from + index]! += weight
  return rows
}

/** How many times as long each of the axes becomes, as the operator computes it; undefined where it follows from both sizes. */
function scalesOf(node: GradientNode, context: GradientContext): readonly number[] | undefined {
  const name = node.inputs[2]
  if (name === undefined || name === '' || context.dims(name)[0] === 0) return undefined
  const scales = context.forward.integers(name)
  return scales === undefined || scales.length === 0 ? undefined : scales
}

/** A resizing is a matrix for each axis; gradients go through these matrices the other way. */
const resize: GradientRule = (node, gradient, context) =>
  context.accumulate(node.inputs[0], () => {
    const source = node.inputs[0]!
    const [from, to] = [context.dims(source), context.dims(node.output)]
    const rank = from.length
    if (node.int('antialias', 0) === 1) throw new RangeError('resizing with antialiasing has no gradient here')
    const axes = (node.ints('axes') ?? from.map((_, i) => i)).map(axis => axisOf(axis, rank))
    const scales = scalesOf(node, context)
    return axes.reduce((value, axis, i) => {
      const scale = scales?.[i]
      if (axis === 0 || (axis === 1 && rank > 2 && from[1] === to[1]) || scale === 1) return value
      const [inside, outside] = [context.known(source, axis), context.known(node.output, axis)]
      if (inside === outside && scale === undefined) return value
      const data = matrix(node, { from: inside, to: outside, scale: scale ?? outside / inside })
      const weights = context.constant(`grad/resize/${node.output}/${axis}`, { type: 'float32', shape: [outside, inside], data })
      if (axis === rank - 1) return context.op('MatMul', [value, weights])
      const order = Array.from({ length: rank }, (_, at) => (at === axis ? rank - 1 : at === rank - 1 ? axis : at))
      return context.transpose(context.op('MatMul', [context.transpose(value, ...order), weights]), ...order)
    }, gradient)
  })

/** The rule of what is made larger or smaller by interpolation. */
export const resizeRules: Readonly<Record<string, GradientRule>> = { Resize: resize }
