/** A decoded picture: 8-bit RGB, rows from the top, pixels interleaved (H, W, 3). `data.length` is `width * height * 3`. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A picture whose numbers lie between levels, in the layout of `RgbImage`. */
export interface FloatImage {
  readonly width: number
  readonly height: number
  readonly data: Float32Array
}

/** Filters of Pillow's `resize`. */
export type { Resample } from '@layermill/models'

/** A rectangle of whole pixels. */
export interface Box {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

const numbersLike = ({ data }: RgbImage | FloatImage, length: number): Uint8Array | Float32Array =>
  data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)

/** The pixels inside a box, which must lie in the picture; the same picture when the box is all of it. */
export function cropImage<Image extends RgbImage | FloatImage>(image: Image, box: Box): Image {
  const { top, left, width, height } = box
  if (top === 0 && left === 0 && width === image.width && height === image.height) return image
  if (top < 0 || left < 0 || width < 1 || height < 1 || top + height > image.height || left + width > image.width) {
    throw new RangeError(`crop ${width}x${height} at ${left},${top} lies outside of a picture of ${image.width}x${image.height}`)
  }
  const data = numbersLike(image, width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { ...image, width, height, data }
}

/** The pixels inside a box that may reach beyond the picture; what lies outside has the colour `fill`, black if left out. */
export function cutImage<Image extends RgbImage | FloatImage>(
  image: Image,
  box: Box,
  fill: readonly [number, number, number] = [0, 0, 0],
): Image {
  const inside = within(box, image.height, image.width)
  if (inside !== undefined && inside.height === box.height && inside.width === box.width) return cropImage(image, box)
  const { width, height } = box
  const data = numbersLike(image, width * height * 3)
  if (fill.some(level => level !== 0)) for (let i = 0; i < data.length; i += 3) data.set(fill, i)
  for (let y = 0; inside !== undefined && y < inside.height; y++) {
    const from = ((inside.top + y) * image.width + inside.left) * 3
    data.set(image.data.subarray(from, from + inside.width * 3), ((inside.top - box.top + y) * width + inside.left - box.left) * 3)
  }
  return { ...image, width, height, data }
}

/** The part of a box that lies in a picture of this size; undefined where there is none. */
export function within(box: Box, height: number, width: number): Box | undefined {
  const [top, left] = [Math.max(0, box.top), Math.max(0, box.left)]
  const [bottom, right] = [Math.min(height, box.top + box.height), Math.min(width, box.left + box.width)]
  return bottom > top && right > left ? { top, left, height: bottom - top, width: right - left } : undefined
}
