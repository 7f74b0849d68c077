/** Shapes of operators that few image networks have: recurrent layers, Fourier transforms, patches put together, grids. */
import { axisOf, type Context, dimsOf, int, ints, numbersOf, product, type Size, text } from './info.js'

type Dims = readonly Size[] | undefined

/** All steps of LSTM, GRU and RNN, and the last one: of their first output and of those behind it. */
export function recurrent(context: Context): [all: Dims, last: Dims] {
  const from = dimsOf(context, 0)
  if (from?.length !== 3) return [undefined, undefined]
  const hidden = int(context, 'hidden_size', 0) || dimsOf(context, 2)?.[2]
  const directions = text(context, 'direction', 'forward') === 'bidirectional' ? 2 : 1
  const [first, second] = from
  return int(context, 'layout', 0) === 0
    ? [
        [first, directions, second, hidden],
        [directions, second, hidden],
      ]
    : [
        [first, second, directions, hidden],
        [first, directions, hidden],
      ]
}

/** A discrete Fourier transform; its last dimension is the real and the imaginary part. */
export function fourier(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const old = context.opset < 20
  const asked = old ? int(context, 'axis', 1) : context.inputs[2] === undefined || !context.node.inputs[2] ? -2 : numbersOf(context, 2)?.[0]
  if (asked === undefined) return from.map(() => undefined)
  const axis = axisOf(asked, from.length)
  const given = context.node.inputs[1] ? numbersOf(context, 1)?.[0] : undefined
  const [half, back] = [int(context, 'onesided', 0) === 1, int(context, 'inverse', 0) === 1]
  const size = from[axis]
  const length = given ?? (half && back && size !== undefined ? 2 * (size - 1) : size)
  const kept = half && !back && length !== undefined ? Math.floor(length / 2) + 1 : length
  return from.map((side, i) => (i === axis ? kept : i === from.length - 1 ? (half && back ? 1 : 2) : side))
}

/** Patches added up to pictures. */
export function folded(context: Context): Dims {
  const from = dimsOf(context, 0)
  const picture = numbersOf(context, 1)
  const patch = numbersOf(context, 2)
  if (from === undefined || picture === undefined) return undefined
  const each = patch === undefined ? undefined : product(patch)
  return [from[0], each === undefined || from[1] === undefined ? undefined : from[1] / each, ...picture]
}

/** Places of a picture's pixels, by a matrix for each. */
export function grid(context: Context): Dims {
  const size = numbersOf(context, 1)
  return size === undefined ? undefined : [size[0], ...size.slice(2), size.length - 2]
}

/** A cut of the centre, or a margin around. */
export function centred(context: Context): Dims {
  const from = dimsOf(context, 0)
  const shape = numbersOf(context, 1)
  if (from === undefined || shape === undefined) return from?.map(() => undefined)
  const axes = (ints(context, 'axes') ?? from.map((_, i) => i)).map(axis => axisOf(axis, from.length))
  return from.map((size, i) => (axes.includes(i) ? shape[axes.indexOf(i)] : size))
}

/** Pieces of a picture at places that are computed. */
export function pooledRegions(context: Context): Dims {
  const from = dimsOf(context, 0)
  const regions = dimsOf(context, 1)
  const [height, width] = ints(context, 'pooled_shape') ?? [int(context, 'output_height', 1), int(context, 'output_width', 1)]
  return from === undefined ? undefined : [regions?.[0], from[1], height, width]
}

/** By the letters of an equation such as `bhwc,hkc->bhwk` or `...ij,...jk`. */
export function einsum(context: Context): Dims {
  const equation = (context.node.attributes.get('equation')?.text ?? '').replaceAll(' ', '')
  const [left = '', right] = equation.split('->')
  const sizes = new Map<string, Size>()
  let others: readonly Size[] = []
  for (const [i, term] of left.split(',').entries()) {
    const dims = dimsOf(context, i)
    if (dims === undefined) return undefined
    const [before = '', after] = term.split('...')
    const known = (letters: string, from: number): void =>
      Array.from(letters).forEach((letter, at) => {
        const size = dims[from + at]
        const earlier = sizes.get(letter)
        sizes.set(letter, earlier === undefined || earlier === 1 ? size : earlier)
      })
    known(before, 0)
    if (after === undefined) continue
    known(after, dims.length - after.length)
    const between = dims.slice(before.length, dims.length - after.length)
    if (between.length >= others.length) others = between
  }
  const once = Array.from(sizes.keys()).filter(letter => left.split(letter).length === 2)
  const result = right ?? `${left.includes('...') ? '...' : ''}${once.toSorted().join('')}`
  return result.split('...').flatMap((letters, i) => [...(i === 0 ? [] : others), ...Array.from(letters, letter => sizes.get(letter))])
}
