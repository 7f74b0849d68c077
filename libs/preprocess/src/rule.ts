import { LayermillError, roundHalfEven } from '@layermill/core'
import type { CropRounding, ResizeRule, ResizeTarget, Size2 } from '@layermill/models'
import type { Box } from './image.js'

/** How a picture becomes the network's input: resized to `resized` (height, width), then cut. */
export interface Geometry {
  /** A cut before resizing; it may reach beyond the picture, which is black there. */
  readonly before?: Box | undefined
  readonly resized: Size2
  /** It may reach beyond the resized picture, which has `fill` there. */
  readonly crop: Box
  readonly fill?: readonly [number, number, number] | undefined
  /** Height and width of what is written; zeros fill what the cut leaves free. */
  readonly padded?: Size2 | undefined
  /** Half of the zeros, rounded down, are in front of it. */
  readonly around?: boolean | undefined
}

type Round = (value: number) => number

/** Start of a cut of the centre; below 0 where it is larger than the picture. */
function start(whole: number, part: number, rounding: CropRounding): number {
  const half = (whole - part) / 2
  if (rounding !== 'even') return rounding === 'floor' ? Math.floor(half) : Math.trunc(half)
  return half < 0 ? Math.ceil(half) : roundHalfEven(half)
}

function centre([height, width]: Size2, [cropHeight, cropWidth]: Size2, rounding: CropRounding): Box {
  return { top: start(height, cropHeight, rounding), left: start(width, cropWidth, rounding), height: cropHeight, width: cropWidth }
}

/** torchvision's shortest edge with a longest one, which transformers computes in its own order. */
function shortSide([height, width]: Size2, side: number, longest: number | undefined): Size2 {
  const [short, long] = [Math.min(height, width), Math.max(height, width)]
  let exact = side
  let rounded = side
  if (longest !== undefined && (long / short) * side > longest) {
    exact = (longest * short) / long
    rounded = roundHalfEven(exact)
  }
  if (longest !== undefined && short === rounded) return [height, width]
  return width < height
    ? [Math.trunc((exact * height) / width), rounded]
    : height < width
      ? [rounded, Math.trunc((exact * width) / height)]
      : [rounded, rounded]
}

/** A length that is a multiple, as DPT's processor chooses it. */
const toMultiple = (value: number, multiple: number): number => roundHalfEven(value / multiple) * multiple
const upToMultiple = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple
const downToMultiple = (value: number, multiple: number): number => Math.floor(value / multiple) * multiple

/** ViLT's: the short side, unless the long one would be above its most; rounded half up, then down. */
function between([height, width]: Size2, to: Extract<ResizeTarget, { by: 'between' }>): Size2 {
  const scale = to.side / Math.min(height, width)
  const exact: Size2 = height < width ? [to.side, scale * width] : [scale * height, to.side]
  const most = Math.max(...exact)
  const shrunk = most > to.longest ? to.longest / most : 1
  const fitted = (side: number): number => downToMultiple(Math.trunc(side * shrunk + 0.5), to.multiple)
  return [fitted(exact[0]), fitted(exact[1])]
}

/** A size of whole multiples. @throws LayermillError IMAGE_SIZE where a picture has not one */
function largeEnough(size: Size2, picture: Size2): Size2 {
  if (size[0] > 0 && size[1] > 0) return size
  throw new LayermillError(
    'IMAGE_SIZE',
    `a picture of ${picture[1]}x${picture[0]} pixels would become ${size[1]}x${size[0]} by its preparation`,
  )
}

/** The scale, and how its products are rounded, of targets that scale both sides alike. */
function scaleOf([height, width]: Size2, to: Exclude<ResizeTarget, { by: 'none' | 'size' | 'short' | 'between' | 'own' }>): [Size2, Round] {
  if (to.by === 'long') {
    const scale = to.side / Math.max(height, width)
    return [[height * scale, width * scale], value => Math.trunc(value + 0.5)]
  }
  const [byHeight, byWidth] = [to.size[0] / height, to.size[1] / width]
  if (to.by === 'within') {
    const scale = Math.min(byHeight, byWidth)
    return [[height * scale, width * scale], Math.trunc]
  }
  if (to.by === 'near') {
    const scale = Math.abs(1 - byWidth) < Math.abs(1 - byHeight) ? byWidth : byHeight
    return [[scale * height, scale * width], value => toMultiple(value, to.multiple)]
  }
  const ratios = [height / to.size[0], width / to.size[1]] as const
  const ratio = to.by === 'contain' ? Math.max(...ratios) : Math.min(...ratios)
  return [[height / ratio, width / ratio], roundHalfEven]
}

function resizedBy(picture: Size2, to: ResizeTarget): Size2 {
  if (to.by === 'none') return picture
  if (to.by === 'size') return to.size
  if (to.by === 'short') {
    const { side, longest, multiple = 1, down } = to
    const [height, width] = shortSide(picture, side, longest)
    if (down !== undefined) return largeEnough([downToMultiple(height, down), downToMultiple(width, down)], picture)
    return [upToMultiple(height, multiple), upToMultiple(width, multiple)]
  }
  if (to.by === 'between') return largeEnough(between(picture, to), picture)
  if (to.by === 'own') return largeEnough([downToMultiple(picture[0], to.multiple), downToMultiple(picture[1], to.multiple)], picture)
  const [exact, round] = scaleOf(picture, to)
  return [Math.max(1, round(exact[0])), Math.max(1, round(exact[1]))]
}

/** All sides of a rule for another input than its own, each rounded. */
function scaledTo(rule: ResizeRule, size: Size2): ResizeRule {
  const { input, to, crop, pad } = rule
  if (input === undefined || (input[0] === size[0] && input[1] === size[1])) return rule
  const [byHeight, byWidth] = [size[0] / input[0], size[1] / input[1]]
  const both = ([height, width]: Size2): Size2 => [Math.round(height * byHeight), Math.round(width * byWidth)]
  // A side of either direction has to cover the larger of the two.
  const either = (side: number): number => Math.round(side * Math.max(byHeight, byWidth))
  const target: ResizeTarget =
    to.by === 'none' || to.by === 'own'
      ? to
      : to.by === 'between'
        ? { ...to, side: either(to.side), longest: either(to.longest) }
        : to.by === 'short'
          ? { ...to, side: either(to.side), ...(to.longest === undefined ? {} : { longest: either(to.longest) }) }
          : to.by === 'long'
            ? { ...to, side: either(to.side) }
            : { ...to, size: both(to.size) }
  return {
    ...rule,
    input: size,
    to: target,
    ...(crop === undefined
      ? {}
      : {
          crop: {
            ...crop,
            size: pad === undefined ? size : both(crop.size),
            ...(crop.of === undefined ? {} : { of: both(crop.of) }),
          },
        }),
    ...(pad === undefined ? {} : { pad: size }),
  }
}

/**
 * The geometry of a rule for a picture of `width` x `height`. `keep`: the size that the rule gives the picture.
 * @throws LayermillError INPUT_SIZE where the rule gives each picture a size of its own, and one is asked for
 */
export function planRule(width: number, height: number, given: ResizeRule, size: Size2 | 'keep'): Geometry {
  if (given.input === undefined && size !== 'keep') {
    throw new LayermillError(
      'INPUT_SIZE',
      `the preparation gives each picture a size of its own (it keeps the aspect and cuts nothing), not ${size[1]}x${size[0]}`,
      { hint: 'use --size keep, or a preparation with a crop' },
    )
  }
  const rule = size === 'keep' ? given : scaledTo(given, size)
  const { before, to, crop, pad, around } = rule
  const short = Math.min(height, width)
  const first = before && centre([height, width], [cut(before[0] * short), cut(before[1] * short)], 'floor')
  const resized = resizedBy(first === undefined ? [height, width] : [first.height, first.width], to)
  const box = crop === undefined ? { top: 0, left: 0, height: resized[0], width: resized[1] } : cutOf(resized, crop)
  return {
    ...(first === undefined ? {} : { before: first }),
    resized,
    crop: box,
    ...(crop?.fill === undefined ? {} : { fill: crop.fill }),
    ...(pad === undefined ? {} : { padded: pad }),
    ...(around === undefined ? {} : { around }),
  }
}

function cutOf(resized: Size2, { size, of, rounding }: NonNullable<ResizeRule['crop']>): Box {
  if (of === undefined) return centre(resized, size, rounding)
  const [outer, inner] = [centre(resized, of, rounding), centre(of, size, rounding)]
  return { ...inner, top: outer.top + inner.top, left: outer.left + inner.left }
}

const cut = (side: number): number => Math.max(1, Math.trunc(side))
