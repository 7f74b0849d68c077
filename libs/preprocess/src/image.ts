/** A decoded picture: 8-bit RGB, rows from the top, pixels interleaved (H, W, 3). `data.length` is `width * height * 3`. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** Filters of Pillow's `resize`. */
export type Resample = 'bicubic' | 'bilinear' | 'nearest' | 'lanczos'

/** A rectangle of whole pixels. */
export interface Box {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/** The pixels inside a box, which must lie in the picture; the same picture when the box is all of it. */
export function cropImage(image: RgbImage, box: Box): RgbImage {
  const { top, left, width, height } = box
  if (top === 0 && left === 0 && width === image.width && height === image.height) return image
  if (top < 0 || left < 0 || width < 1 || height < 1 || top + height > image.height || left + width > image.width) {
    throw new RangeError(`crop ${width}x${height} at ${left},${top} lies outside of a picture of ${image.width}x${image.height}`)
  }
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { width, height, data }
}
