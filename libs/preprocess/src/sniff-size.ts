import { readBmpSize } from './bmp.js'
import { sniffFormat } from './format.js'
import { readGifSize } from './gif.js'
import { readPictureWork } from './picture-size.js'
import { readPnmHeader } from './pnm.js'

/** Width and height in pixels, as they are stored. */
export interface PictureSize {
  readonly width: number
  readonly height: number
}

/** A picture's size by its header; undefined where that cannot be read, and `decodeImage` says why. */
export function pictureSize(bytes: Uint8Array): PictureSize | undefined {
  try {
    const format = sniffFormat(bytes)
    if (format === 'bmp') return readBmpSize(bytes)
    if (format === 'gif') return readGifSize(bytes)
    if (format === 'pnm') return readPnmHeader(bytes)
    return readPictureWork(bytes, format)
  } catch {
    return undefined
  }
}
