import { errorCode, Gate, withDeadline } from '@layermill/core'
import { decodeElsewhere } from './decode-elsewhere.js'
import { decodeHere, type DecodeLimits } from './decode-here.js'
import { tooSlow } from './decode-with-sharp.js'
import { sniffFormat } from './format.js'
import type { RgbImage } from './image.js'
import { PauseWatch } from './pause-watch.js'
import { checkSize, readPictureWork } from './picture-size.js'

/** Pillow's limit before it takes a file for a decompression bomb. */
export const defaultMaxPixels = 178_956_970

/** Milliseconds that a picture may take to decode where nothing is said. */
export const defaultImageTimeoutMs = 60_000

export interface DecodeOptions {
  /** Turn and mirror as the EXIF orientation says. Default false: pixels as they are stored, except of TIFF files. */
  readonly autoOrient?: boolean
  /** Refuse larger pictures, by their header. Default 178,956,970. */
  readonly maxPixels?: number
  /** Milliseconds that decoding may take, once it has begun. Default 60,000. */
  readonly timeoutMs?: number
}

/** Pixels times passes that are decoded in this process: seconds of one thread at most, a picture of 50 megapixels in ten scans. */
const mostWork = 500_000_000
/**
 * Pixels of pictures that are decoded at once, 3 bytes each: five of 12 megapixels, however many are read ahead. A larger one is decoded
 * alone.
 */
const mostPixels = 64_000_000
/** Milliseconds that a process stands still, from which a deadline that was missed is given again, once. */
const pauseMs = 5000
/** Threads of libuv's pool, which decode. */
export const decodingThreads = Math.max(1, Number(process.env['UV_THREADPOOL_SIZE']) || 4)
/** Twice the threads, so that none waits for this one; what waits here has not begun, and its time does not run. */
const here = new Gate(decodingThreads * 2, mostPixels)
/** Processes at once: such pictures are large. */
const elsewhere = new Gate(2)
/** Pictures that were given up while a thread still decodes them. */
let abandoned = 0

/** Fails at the deadline. The thread goes on until its decoder ends, which the header's bounds make a matter of seconds. */
function decodedWithin(decoding: Promise<RgbImage>, timeoutMs: number): Promise<RgbImage> {
  return withDeadline(decoding, timeoutMs, () => {
    abandoned++
    void decoding.catch(() => undefined).finally(() => abandoned--)
    throw tooSlow(timeoutMs)
  })
}

/** Whether a picture is decoded in a process that can be ended: it is much work, or too few threads are left. */
function belongsElsewhere(work: number): boolean {
  return work > mostWork || abandoned >= Math.max(1, decodingThreads - 1)
}

/**
 * Decodes a picture to 8-bit RGB as Pillow's `Image.open(...).convert('RGB')` does: embedded colour profiles are ignored, alpha is
 * dropped (not blended), grey is repeated, palettes are looked up, CMYK is converted by the plain formula, only the first frame or
 * page is read. Of 16-bit channels the high byte is taken, also for grey, which Pillow clips to white. Pixels are as they are stored,
 * except that TIFF files are turned as their orientation says, as Pillow does when it loads them.
 *
 * Sides and pixels are checked in the header. What the header says to be very much work is decoded in a process of its own, which is ended
 * at the deadline. The deadline of a picture during which the process stood still is given again, once.
 *
 * @throws LayermillError IMAGE_EMPTY, IMAGE_NOT_AN_IMAGE, IMAGE_UNSUPPORTED, IMAGE_TRUNCATED, IMAGE_CORRUPT, IMAGE_TOO_LARGE, IMAGE_TIMEOUT
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  using watch = new PauseWatch()
  try {
    return await decodeOnce(bytes, options)
  } catch (error) {
    // A process that was stopped had no time to decode in.
    if (errorCode(error) !== 'IMAGE_TIMEOUT' || watch.longestMs < pauseMs) throw error
    return await decodeOnce(bytes, options)
  }
}

async function decodeOnce(bytes: Uint8Array, options: DecodeOptions): Promise<RgbImage> {
  const { autoOrient = false, maxPixels = defaultMaxPixels, timeoutMs = defaultImageTimeoutMs } = options
  const limits: DecodeLimits = { autoOrient, maxPixels, timeoutMs }
  const format = sniffFormat(bytes)
  // Our own decoders check the size themselves, and end at the deadline.
  if (format === 'bmp' || format === 'gif' || format === 'pnm') return await decodeHere(bytes, limits)
  const size = readPictureWork(bytes, format)
  if (size !== undefined) checkSize(size.width, size.height, maxPixels)
  if (belongsElsewhere(size?.work ?? 0)) return await elsewhere.run(() => decodeElsewhere(bytes, limits))
  return await here.run(() => decodedWithin(decodeHere(bytes, limits), timeoutMs), (size?.width ?? 0) * (size?.height ?? 0))
}
