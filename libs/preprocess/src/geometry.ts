import { roundHalfEven } from '@layermill/core'
import type { Preparation, ResizeRule, Size2 } from '@layermill/models'
import type { Box } from './image.js'
import { type Geometry, planRule } from './rule.js'

export type { Geometry } from './rule.js'

/** Input size of the published networks. The sides before a crop (256) refer to it. */
export const defaultSize: Size2 = [224, 224]
const uncroppedResizeSide = 256
const croppedSide = 224

/** `centerCrop`: an `exact` preparation resizes to 256/224 of the size first and cuts the centre, as Chainer's predict does. */
export interface GeometryOptions {
  readonly size?: Size2 | 'keep'
  readonly centerCrop?: boolean
}

const scaled = (side: number, from: number): number => Math.round((side * from) / croppedSide)

/** The side before the cut that one of the input's sides refers to. */
function uncroppedSide(side: number, resize: Exclude<Preparation['resize'], ResizeRule>): number {
  if (resize.kind === 'share') return Math.floor(side / resize.share)
  return scaled(side, resize.kind === 'crop' ? resize.shortSide : uncroppedResizeSide)
}

/**
 * The size before the crop. `exact`: 256/224 of the input size. `crop`: the aspect is kept; for a square input of side S the short
 * side is `shortSide * S / 224` and the long one is cut down to whole pixels, as torchvision's Resize does; for other inputs it is
 * the smallest picture that covers the rectangle so scaled. `share`: likewise, the sides before the cut being those of the input
 * divided by the share and rounded down, as timm computes them.
 */
export function uncroppedSize(width: number, height: number, resize: Preparation['resize'], size: Size2): Size2 {
  if (resize.kind === 'rule') {
    const { resized } = planRule(width, height, resize, size)
    // A rule that cuts nothing off leaves nothing to choose from: then as an `exact` preparation.
    const hasRoom = resized[0] >= size[0] && resized[1] >= size[1] && (resized[0] > size[0] || resized[1] > size[1])
    return hasRoom ? resized : uncroppedSize(width, height, { kind: 'exact' }, size)
  }
  const [toHeight, toWidth] = [uncroppedSide(size[0], resize), uncroppedSide(size[1], resize)]
  if (resize.kind === 'exact') return [toHeight, toWidth]
  const byWidth = toWidth * height >= toHeight * width
  return byWidth
    ? [Math.max(size[0], Math.trunc((toWidth * height) / width)), toWidth]
    : [toHeight, Math.max(size[1], Math.trunc((toHeight * width) / height))]
}

/**
 * The geometry of an input for a picture of the given size. With `keep` nothing is resized or cut, except by a rule that gives each picture
 * a size of its own.
 * @throws LayermillError INPUT_SIZE where such a rule is to give one size
 */
export function planGeometry(width: number, height: number, resize: Preparation['resize'], options: GeometryOptions = {}): Geometry {
  const size = options.size ?? defaultSize
  if (resize.kind === 'rule' && (size !== 'keep' || resize.input === undefined)) return planRule(width, height, resize, size)
  if (size === 'keep') return { resized: [height, width], crop: { top: 0, left: 0, height, width } }
  if (resize.kind === 'exact' && options.centerCrop !== true) {
    return { resized: size, crop: { top: 0, left: 0, height: size[0], width: size[1] } }
  }
  const resized = uncroppedSize(width, height, resize, size)
  return { resized, crop: centerBox(resized, size, resize.kind === 'exact' ? Math.trunc : roundHalfEven) }
}

function centerBox(resized: Size2, size: Size2, round: (value: number) => number): Box {
  return {
    top: round((resized[0] - size[0]) / 2),
    left: round((resized[1] - size[1]) / 2),
    height: size[0],
    width: size[1],
  }
}

/** The five boxes of oversampling, in Chainer's order: top left, top right, bottom left, bottom right, centre. */
export function fiveBoxes(resized: Size2, size: Size2): readonly Box[] {
  const [height, width] = size
  const bottom = resized[0] - height
  const right = resized[1] - width
  const corners = [
    [0, 0],
    [0, right],
    [bottom, 0],
    [bottom, right],
  ] as const
  return [...corners.map(([top, left]) => ({ top, left, height, width })), centerBox(resized, size, Math.trunc)]
}
