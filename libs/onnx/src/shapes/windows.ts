import { type Context, dimsOf, int, ints, type Size, text } from './info.js'

/** The output's size of a window that slides along one axis. */
function slid(size: Size, { kernel, stride, dilation, pads, ceil, auto }: Slide): Size {
  if (size === undefined || kernel === undefined) return undefined
  if (auto.startsWith('SAME')) return Math.ceil(size / stride)
  const extent = dilation * (kernel - 1) + 1
  const room = size + (auto === 'VALID' ? 0 : pads) - extent
  return Math.max(0, (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1)
}

interface Slide {
  readonly kernel: Size
  readonly stride: number
  readonly dilation: number
  readonly pads: number
  readonly ceil: boolean
  readonly auto: string
}

function slides(context: Context, kernel: readonly Size[]): Slide[] {
  const rank = kernel.length
  const strides = ints(context, 'strides') ?? []
  const dilations = ints(context, 'dilations') ?? []
  const pads = ints(context, 'pads') ?? []
  return kernel.map((size, i) => ({
    kernel: size,
    stride: strides[i] ?? 1,
    dilation: dilations[i] ?? 1,
    pads: (pads[i] ?? 0) + (pads[i + rank] ?? 0),
    ceil: int(context, 'ceil_mode', 0) === 1,
    auto: text(context, 'auto_pad', 'NOTSET'),
  }))
}

/** Of a convolution whose weights are input `weight`. */
export function convDims(context: Context, weight = 1): readonly Size[] | undefined {
  const dims = dimsOf(context, 0)
  const weights = dimsOf(context, weight)
  if (dims === undefined || weights === undefined) return undefined
  const kernel = ints(context, 'kernel_shape') ?? weights.slice(2)
  return [dims[0], weights[0], ...slides(context, kernel).map((slide, i) => slid(dims[i + 2], slide))]
}

export function transposedConvDims(context: Context): readonly Size[] | undefined {
  const dims = dimsOf(context, 0)
  const weights = dimsOf(context, 1)
  if (dims === undefined || weights === undefined) return undefined
  const kernel = ints(context, 'kernel_shape') ?? weights.slice(2)
  const wanted = ints(context, 'output_shape')
  const added = ints(context, 'output_padding') ?? []
  const channels = weights[1] === undefined ? undefined : weights[1] * int(context, 'group', 1)
  const sizes = slides(context, kernel).map(({ kernel: size, stride, dilation, pads, auto }, i) => {
    const from = dims[i + 2]
    if (wanted !== undefined) return wanted.at(i - kernel.length)
    if (from === undefined || size === undefined) return undefined
    return auto.startsWith('SAME') ? from * stride : stride * (from - 1) + (added[i] ?? 0) + dilation * (size - 1) + 1 - pads
  })
  return [dims[0], channels, ...sizes]
}

export function poolDims(context: Context): readonly Size[] | undefined {
  const dims = dimsOf(context, 0)
  const kernel = ints(context, 'kernel_shape')
  if (dims === undefined || kernel === undefined) return undefined
  return [
    ...dims.slice(0, 2),
    ...slides(context, kernel).map((slide, i) => {
      const size = slid(dims[i + 2], slide)
      // A last window that would begin in the padding behind is dropped, as the runtime does.
      if (!slide.ceil || size === undefined) return size
      const before = ints(context, 'pads')?.[i] ?? 0
      return (size - 1) * slide.stride >= dims[i + 2]! + before ? size - 1 : size
    }),
  ]
}
