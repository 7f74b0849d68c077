import { LayermillError, errorMessage } from '@layermill/models'
import { decodeBmp } from './bmp.js'
import { endsEarly, type ImageFormat, jpegComponents, sniffFormat } from './format.js'
import { decodeGif } from './gif.js'
import type { RgbImage } from './image.js'
import { Pacer } from './pacer.js'

/** Pillow's limit before it takes a file for a decompression bomb. */
export const DEFAULT_MAX_PIXELS = 178_956_970

export interface DecodeOptions {
  /** Turn and mirror as the EXIF orientation says. Default false: pixels as they are stored. */
  readonly autoOrient?: boolean
  /** Refuse larger pictures, by their header. Default 178,956,970. */
  readonly maxPixels?: number
}

/**
 * Sets how libvips, which sharp is built on, uses the process: `threads` for each picture (default 1, right where many pictures are
 * decoded at once) and no cache of results. It holds for the whole process, so applications call it once, libraries never.
 *
 * Pictures are decoded in libuv's pool, so `UV_THREADPOOL_SIZE` (default 4; read when the pool is first used, so set it before the
 * process starts) is how many are decoded at a time. File reads and DNS share the pool.
 */
export async function configureDecoding(options: { threads?: number } = {}): Promise<void> {
  const { default: sharp } = await import('sharp')
  sharp.concurrency(options.threads ?? 1)
  sharp.cache(false)
}

/**
 * Decodes a picture to 8-bit RGB as Pillow's `Image.open(...).convert('RGB')` does: embedded colour profiles are ignored, alpha is
 * dropped (not blended), grey is repeated, palettes are looked up, CMYK is converted by the plain formula, only the first frame or
 * page is read. Of 16-bit channels the high byte is taken, also for grey, which Pillow clips to white.
 *
 * @throws LayermillError IMAGE_EMPTY, IMAGE_NOT_AN_IMAGE, IMAGE_UNSUPPORTED, IMAGE_TRUNCATED, IMAGE_CORRUPT, IMAGE_TOO_LARGE
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const maxPixels = options.maxPixels ?? DEFAULT_MAX_PIXELS
  const format = sniffFormat(bytes)
  if (format === 'bmp') return await decodeBmp(bytes, maxPixels)
  if (format === 'gif') return await decodeGif(bytes, maxPixels)
  try {
    return await decodeWithSharp(bytes, format, options.autoOrient ?? false, maxPixels)
  } catch (error) {
    throw toDecodeError(error, bytes, format, maxPixels)
  }
}

async function decodeWithSharp(bytes: Uint8Array, format: ImageFormat, autoOrient: boolean, maxPixels: number): Promise<RgbImage> {
  // Loaded with the first picture: libvips takes a tenth of a second that commands without pictures need not wait for.
  const { default: sharp } = await import('sharp')
  const input = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: maxPixels, autoOrient, pages: 1 })
  const cmyk = format === 'jpeg' ? jpegComponents(bytes) === 4 : format === 'tiff' && (await input.metadata()).space === 'cmyk'
  const pipeline = cmyk
    ? input.pipelineColourspace('cmyk').toColourspace('cmyk')
    : input.removeAlpha().toColourspace('srgb')
  const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  const { width, height, channels } = info
  if (cmyk && channels >= 4) return { width, height, data: await cmykToRgb(data, channels) }
  if (!cmyk && channels === 3) return { width, height, data }
  throw new LayermillError('IMAGE_UNSUPPORTED', `pictures with ${channels} channels of this kind are not read`, {
    hint: 'Convert it to RGB.',
  })
}

/** White less the ink: (255 - K) less (255 - K) * C / 255, clipped. */
async function cmykToRgb(data: Uint8Array, channels: number): Promise<Uint8Array> {
  const pacer = new Pacer()
  const rgb = new Uint8Array((data.length / channels) * 3)
  for (let from = 0, to = 0; from < data.length; from += channels) {
    const white = 255 - data[from + 3]!
    for (let channel = 0; channel < 3; channel++) {
      const product = data[from + channel]! * white + 128
      rgb[to++] = Math.max(0, white - (((product >> 8) + product) >> 8))
    }
    if ((to & 0xfff) === 0 && pacer.due) await pacer.rest()
  }
  return rgb
}

/** libvips may report one line for each thing it tried. */
const MAX_REASON = 200

const TRUNCATED = /premature|unexpected end|end of (file|stream|data)|not enough (data|bytes)|truncat|too short|eof\b|read error|short read/i
const UNSUPPORTED = /unsupported|not supported|not implemented|no .*(decoder|plugin)|unknown compression|compression scheme/i

function toDecodeError(error: unknown, bytes: Uint8Array, format: ImageFormat, maxPixels: number): LayermillError {
  if (error instanceof LayermillError) return error
  const reason = errorMessage(error).replaceAll(/\s+/g, ' ').trim().slice(0, MAX_REASON)
  if (/pixel limit/i.test(reason)) {
    return new LayermillError('IMAGE_TOO_LARGE', `the ${format} picture has more than ${maxPixels} pixels, the most that are decoded`, { cause: error })
  }
  if (endsEarly(bytes, format) || TRUNCATED.test(reason)) {
    // libvips does not always know why.
    const why = /^unknown error$/i.test(reason) ? '' : `: ${reason}`
    return new LayermillError('IMAGE_TRUNCATED', `the ${format} file ends early${why}`, { cause: error })
  }
  // "unsupported image format" is what sharp says of any header it cannot make sense of.
  if (UNSUPPORTED.test(reason) && !/unsupported image format/i.test(reason)) {
    return new LayermillError('IMAGE_UNSUPPORTED', `the ${format} file uses a feature that is not read: ${reason}`, { cause: error })
  }
  return new LayermillError('IMAGE_CORRUPT', `the ${format} file is damaged: ${reason}`, { cause: error })
}
