import { decodeImage, type DecodeOptions } from './decode.js'
import type { RgbImage } from './image.js'
import { resizeImage } from './resample.js'

/** Longer side at which sharpness is measured, in pixels: what a large picture has lost there shows when it is looked at as a whole. */
const measuredSide = 256
/** Share of pixels that may be brighter than `brightness` says. */
const brightShare = 0.01

/** Measures of a picture, whatever is on it. */
export interface PictureQuality {
  /** Luma that 99% of the pixels do not exceed, 0 to 1: small where nothing is to be seen. */
  readonly brightness: number
  /** Deviation of the Laplacian over that of the luma, at 256 pixels: small where edges are soft. 0 for one colour. */
  readonly sharpness: number
}

/** Luma of each pixel, 0 to 255 (ITU-R BT.601). */
function lumaOf({ data, width, height }: RgbImage): Float32Array {
  const luma = new Float32Array(width * height)
  for (let i = 0; i < luma.length; i++) luma[i] = 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!
  return luma
}

function deviation(values: Float32Array): number {
  let [sum, squares] = [0, 0]
  for (const value of values) sum += value
  const mean = sum / Math.max(1, values.length)
  for (const value of values) squares += (value - mean) ** 2
  return Math.sqrt(squares / Math.max(1, values.length))
}

/** Sums of the four neighbours less four times the pixel, without the border. */
function laplacian(luma: Float32Array, width: number, height: number): Float32Array {
  const result = new Float32Array(Math.max(0, width - 2) * Math.max(0, height - 2))
  for (let y = 1, at = 0; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++, at++) {
      const i = y * width + x
      result[at] = luma[i - 1]! + luma[i + 1]! + luma[i - width]! + luma[i + width]! - 4 * luma[i]!
    }
  }
  return result
}

/** Measures a picture of at most `measuredSide` pixels. */
export function pictureQuality(image: RgbImage): PictureQuality {
  const luma = lumaOf(image)
  const sorted = luma.slice().sort()
  const spread = deviation(luma)
  return {
    brightness: sorted[Math.floor((sorted.length - 1) * (1 - brightShare))]! / 255,
    sharpness: spread < 0.5 ? 0 : deviation(laplacian(luma, image.width, image.height)) / spread,
  }
}

/**
 * Measures the picture in a file.
 * @throws LayermillError as `decodeImage` does
 */
export async function qualityOfFile(bytes: Uint8Array, options: DecodeOptions = {}): Promise<PictureQuality> {
  const image = await decodeImage(bytes, options)
  const scale = Math.min(1, measuredSide / Math.max(image.width, image.height))
  if (scale === 1) return pictureQuality(image)
  const [width, height] = [image.width, image.height].map(side => Math.max(1, Math.round(side * scale))) as [number, number]
  return pictureQuality(await resizeImage(image, width, height, 'bilinear'))
}
