import { axisOf, broadcast, type Context, dimsOf, int, ints, listed, numbersOf, product, type Size } from './info.js'

type Dims = readonly Size[] | undefined

export function reshaped(context: Context): Dims {
  const from = dimsOf(context, 0)
  const shape = listed(context, 'shape', 1)
  if (shape === undefined) {
    const rank = dimsOf(context, 1)?.[0]
    return rank === undefined ? undefined : Array.from({ length: rank }, () => undefined)
  }
  const zeros = int(context, 'allowzero', 0) === 1
  const sizes: Size[] = shape.map((size, i) => (size === 0 && !zeros ? from?.[i] : size === -1 ? undefined : size))
  const free = shape.indexOf(-1)
  const total = from === undefined ? undefined : product(from)
  const rest = product(sizes.filter((_, i) => i !== free))
  if (free >= 0 && total !== undefined && rest !== undefined && rest > 0) sizes[free] = total / rest
  return sizes
}

export function transposed(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const order = ints(context, 'perm') ?? from.map((_, i) => from.length - 1 - i)
  return order.map(axis => from[axis])
}

export function flattened(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const axis = axisOf(int(context, 'axis', 1), from.length)
  return [product(from.slice(0, axis)), product(from.slice(axis))]
}

export function joined(context: Context): Dims {
  const all = context.inputs.map(({ dims }) => dims)
  const first = all.find(dims => dims !== undefined)
  if (first === undefined) return undefined
  const axis = axisOf(int(context, 'axis', 1), first.length)
  return first.map((_, i) => {
    if (i !== axis) return all.map(dims => dims?.[i]).find(size => size !== undefined)
    return all.reduce<Size>((sum, dims) => (sum === undefined || dims?.[i] === undefined ? undefined : sum + dims[i]), 0)
  })
}

export function split(context: Context): Dims[] {
  const from = dimsOf(context, 0)
  const count = context.node.outputs.length
  if (from === undefined) return Array.from({ length: count }, () => undefined)
  const axis = axisOf(int(context, 'axis', 0), from.length)
  const parts = listed(context, 'split', 1)
  const each = from[axis] === undefined ? undefined : Math.ceil(from[axis] / count)
  return Array.from({ length: count }, (_, part) => {
    const even = each === undefined ? undefined : Math.max(0, Math.min(each, from[axis]! - part * each))
    return from.map((size, i) => (i === axis ? (parts?.[part] ?? even) : size))
  })
}

/** First, last (exclusive) and step along one axis, as Slice clamps them; `size` is the axis's. */
export function range(size: number, start: number, end: number, step: number): { from: number; to: number } {
  const clamp = (at: number, low: number, high: number): number => Math.max(low, Math.min(at < 0 ? at + size : at, high))
  return step > 0
    ? { from: clamp(start, 0, size), to: clamp(end, 0, size) }
    : { from: clamp(start, 0, size - 1), to: end < -size ? -1 : clamp(end, -1, size - 1) }
}

export function sliced(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const starts = listed(context, 'starts', 1)
  const ends = listed(context, 'ends', 2)
  const axes = listed(context, 'axes', 3) ?? starts?.map((_, i) => i)
  const steps = numbersOf(context, 4) ?? []
  if (starts === undefined || ends === undefined || axes === undefined) return from.map(() => undefined)
  const sizes = [...from]
  axes.forEach((axis, i) => {
    const at = axisOf(axis, from.length)
    const size = from[at]
    if (size === undefined) return
    const step = steps[i] ?? 1
    const { from: first, to } = range(size, starts[i]!, ends[i]!, step)
    sizes[at] = Math.max(0, Math.ceil((to - first) / step))
  })
  return sizes
}

export function gathered(context: Context): Dims {
  const from = dimsOf(context, 0)
  const at = dimsOf(context, 1)
  if (from === undefined || at === undefined) return undefined
  const axis = axisOf(int(context, 'axis', 0), from.length)
  return [...from.slice(0, axis), ...at, ...from.slice(axis + 1)]
}

export function squeezed(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const axes = listed(context, 'axes', 1)?.map(axis => axisOf(axis, from.length))
  return from.filter((size, i) => (axes === undefined ? size !== 1 : !axes.includes(i)))
}

export function unsqueezed(context: Context): Dims {
  const from = dimsOf(context, 0)
  const axes = listed(context, 'axes', 1)
  if (from === undefined || axes === undefined) return undefined
  const rank = from.length + axes.length
  const places = new Set(axes.map(axis => axisOf(axis, rank)))
  const rest = [...from]
  return Array.from({ length: rank }, (_, i) => (places.has(i) ? 1 : rest.shift()))
}

export function expanded(context: Context): Dims {
  const shape = numbersOf(context, 1)
  return shape === undefined ? undefined : broadcast([dimsOf(context, 0), shape])
}

export function tiled(context: Context): Dims {
  const times = numbersOf(context, 1)
  return dimsOf(context, 0)?.map((size, i) => (size === undefined || times?.[i] === undefined ? undefined : size * times[i]))
}

export function padded(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const pads = listed(context, 'pads', 1)
  const axes = (numbersOf(context, 3) ?? from.map((_, i) => i)).map(axis => axisOf(axis, from.length))
  return from.map((size, i) => {
    const at = axes.indexOf(i)
    if (at < 0) return size
    return size === undefined || pads === undefined ? undefined : size + pads[at]! + pads[at + axes.length]!
  })
}

export function resized(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const old = context.node.op === 'Upsample' || context.opset < 11
  const axes = ints(context, 'axes') ?? from.map((_, i) => i)
  const sizes = old ? undefined : numbersOf(context, 3)
  const scales = ints(context, 'scales') ?? numbersOf(context, old ? 1 : 2)
  return from.map((size, i) => {
    const at = axes.indexOf(i)
    if (at < 0) return size
    if (sizes !== undefined && sizes.length > 0) return sizes[at]
    const scale = scales?.[at]
    return size === undefined || scale === undefined ? undefined : Math.floor(size * scale)
  })
}

export function reduced(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const listedAxes = listed(context, 'axes', 1)
  const none = listedAxes === undefined || listedAxes.length === 0
  if (none && int(context, 'noop_with_empty_axes', 0) === 1) return from
  const axes = none ? from.map((_, i) => i) : listedAxes.map(axis => axisOf(axis, from.length))
  return reducedTo(from, axes, int(context, 'keepdims', 1) === 1)
}

export const reducedTo = (from: readonly Size[], axes: readonly number[], keep: boolean): Size[] =>
  from.flatMap((size, i) => (axes.includes(i) ? (keep ? [1] : []) : [size]))

export function multiplied(a: Dims, b: Dims): Dims {
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return undefined
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  const batch = broadcast([left.slice(0, -2), right.slice(0, -2)])!
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)]), ...(b.length === 1 ? [] : [right.at(-1)])]
}

export function gemm(context: Context): Dims {
  const a = dimsOf(context, 0)
  const b = dimsOf(context, 1)
  if (a === undefined || b === undefined) return undefined
  return [a[int(context, 'transA', 0)], b[int(context, 'transB', 0) === 1 ? 0 : 1]]
}
