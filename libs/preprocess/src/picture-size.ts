import { LayermillError } from '@layermill/core'
import { readAvifPicture } from './avif.js'
import { type ImageFormat, readJpegFrame } from './format.js'
import { readTiffPicture } from './tiff.js'

/** Longest side of a picture, JPEG's longest: nothing longer can be resized, and rows or columns of many millions take minutes. */
export const maxSide = 65_535

/** @throws LayermillError IMAGE_TOO_LARGE by what a header says, before anything is decoded */
export function checkSize(width: number, height: number, maxPixels: number): void {
  if (Math.max(width, height) > maxSide) {
    throw new LayermillError(
      'IMAGE_TOO_LARGE',
      `a picture of ${width}x${height} pixels has a side above ${maxSide}, the longest that is decoded`,
    )
  }
  if (width * height > maxPixels) throw new LayermillError('IMAGE_TOO_LARGE', `${width}x${height} pixels, at most ${maxPixels} are decoded`)
}

/** Size of a picture and work of decoding it, from its header. */
export interface PictureWork {
  readonly width: number
  readonly height: number
  /** Pixels times the passes over them, about 10 ns of one core each. */
  readonly work: number
}

/** Passes over each pixel that a decoder takes, roughly, as one of JPEG. */
const passes: Readonly<Record<'png' | 'webp' | 'avif', number>> = { png: 2, webp: 3, avif: 10 }

const startOfScan = Buffer.of(0xff, 0xda)

/** Scans of a JPEG: a progressive one goes over all its pixels in each. */
function countScans(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let scans = 0
  for (let at = buffer.indexOf(startOfScan); at >= 0; at = buffer.indexOf(startOfScan, at + 2)) scans++
  return Math.max(1, scans)
}

/** Width and height of a WebP file, of each of its three kinds. */
function webpSize(bytes: Uint8Array, view: DataView): readonly [number, number] | undefined {
  if (bytes.length < 30) return undefined
  const kind = String.fromCharCode(...bytes.subarray(12, 16))
  if (kind === 'VP8X') return [1 + (view.getUint32(24, true) & 0xff_ffff), 1 + (view.getUint32(26, true) >>> 8)]
  if (kind === 'VP8 ') return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff]
  if (kind !== 'VP8L') return undefined
  const sides = view.getUint32(21, true)
  return [1 + (sides & 0x3fff), 1 + ((sides >>> 14) & 0x3fff)]
}

/**
 * A picture's size as its header has it; undefined where the header cannot be read, and the decoder says why.
 * @throws LayermillError IMAGE_UNSUPPORTED, where that is seen in the header
 */
export function readPictureWork(bytes: Uint8Array, format: Exclude<ImageFormat, 'bmp' | 'gif' | 'pnm'>): PictureWork | undefined {
  const sized = ([width, height]: readonly [number, number], each: number): PictureWork => ({ width, height, work: width * height * each })
  if (format === 'jpeg') {
    const frame = readJpegFrame(bytes)
    return frame && sized([frame.width, frame.height], countScans(bytes))
  }
  if (format === 'tiff') {
    const picture = readTiffPicture(bytes)
    return (
      picture && { ...sized([picture.width, picture.height], 2), work: Math.max(picture.width * picture.height, picture.tilePixels) * 2 }
    )
  }
  if (format === 'avif') {
    const { width, height } = readAvifPicture(bytes)
    return width === 0 ? undefined : sized([width, height], passes.avif)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (format === 'png') return bytes.length < 24 ? undefined : sized([view.getUint32(16), view.getUint32(20)], passes.png)
  const size = webpSize(bytes, view)
  return size && sized(size, passes.webp)
}
