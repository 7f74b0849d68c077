import { errorMessage, LayermillError } from '@layermill/core'
import { readAvifPicture, stillAvif } from './avif.js'
import { loadSharp } from './configure.js'
import { endsEarly, type ImageFormat, readJpegFrame } from './format.js'
import type { RgbImage } from './image.js'
import { Pacer } from './pacer.js'
import { readTiffPicture, type TiffPicture } from './tiff.js'
import { tiffTags } from './tiff-directory.js'

export interface SharpOptions {
  readonly autoOrient: boolean
  readonly maxPixels: number
  /** Milliseconds after which libvips is told to stop; it does between rows, where the format is decoded in rows. */
  readonly timeoutMs: number
}

/** The raw samples that libvips makes of a file. */
interface Samples {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

type Colours = 'rgb' | 'cmyk' | 'with alpha'

async function readSamples(bytes: Uint8Array, colours: Colours, options: SharpOptions): Promise<Samples> {
  const sharp = await loadSharp()
  const { autoOrient, maxPixels, timeoutMs } = options
  const input = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: maxPixels, autoOrient, pages: 1 }).timeout({
    seconds: Math.min(3600, Math.max(1, Math.ceil(timeoutMs / 1000))),
  })
  const pipeline =
    colours === 'cmyk'
      ? input.pipelineColourspace('cmyk').toColourspace('cmyk')
      : (colours === 'rgb' ? input.removeAlpha() : input).toColourspace('srgb')
  const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, channels: info.channels, data }
}

const wrongChannels = (channels: number): LayermillError =>
  new LayermillError('IMAGE_UNSUPPORTED', `pictures with ${channels} channels of this kind are not read`, { hint: 'Convert it to RGB.' })

/**
 * Decodes what libvips decodes right.
 * @throws LayermillError as `decodeImage`
 */
export async function decodeWithSharp(bytes: Uint8Array, format: ImageFormat, options: SharpOptions): Promise<RgbImage> {
  try {
    if (format === 'tiff') return await decodeTiff(bytes, options)
    if (format === 'avif') return await decodeColours(stillAvif(bytes, readAvifPicture(bytes), options.autoOrient), false, options)
    return await decodeColours(bytes, format === 'jpeg' && readJpegFrame(bytes)?.components === 4, options)
  } catch (error) {
    throw toDecodeError(error, bytes, format, options)
  }
}

async function decodeColours(bytes: Uint8Array, cmyk: boolean, options: SharpOptions): Promise<RgbImage> {
  const { width, height, channels, data } = await readSamples(bytes, cmyk ? 'cmyk' : 'rgb', options)
  if (cmyk && channels >= 4) return { width, height, data: await cmykToRgb(data, channels) }
  if (!cmyk && channels === 3) return { width, height, data }
  throw wrongChannels(channels)
}

/** A TIFF file's first picture, turned as its orientation says whether asked for or not: Pillow does so when it loads one. */
async function decodeTiff(bytes: Uint8Array, options: SharpOptions): Promise<RgbImage> {
  const picture = readTiffPicture(bytes)
  const turned = { ...options, autoOrient: true }
  if (picture?.premultiplied === true && !picture.cmyk) return await decodePremultiplied(bytes, picture, turned)
  return await decodeColours(bytes, picture?.cmyk ?? false, turned)
}

/** Colours are divided by alpha as Pillow does it; libvips, told that alpha is another thing, leaves them as they are. */
async function decodePremultiplied(bytes: Uint8Array, { directory }: TiffPicture, options: SharpOptions): Promise<RgbImage> {
  const plain = directory.withNumber(bytes, tiffTags.extraSamples, 2)
  const { width, height, channels, data } = await readSamples(plain, 'with alpha', options)
  if (channels < 4) throw wrongChannels(channels)
  const pacer = new Pacer()
  const rgb = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; to < rgb.length; from += channels) {
    const alpha = data[from + 3]!
    for (let channel = 0; channel < 3; channel++) {
      rgb[to++] = alpha === 0 ? 0 : Math.min(255, Math.trunc((data[from + channel]! * 255) / alpha))
    }
    if ((to & 0xfff) === 0 && pacer.due) await pacer.rest()
  }
  return { width, height, data: rgb }
}

/** White less the ink: (255 - K) less (255 - K) * C / 255, clipped. */
export async function cmykToRgb(data: Uint8Array, channels: number): Promise<Uint8Array> {
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
const maxReason = 200

const truncated =
  /premature|unexpected end|end of (file|stream|data)|not enough (data|bytes)|truncat|too short|eof\b|read error|short read/i
const unsupported =
  /unsupported|not supported|not implemented|not configured|built without|no .*(decoder|plugin)|unknown compression|compression scheme|exceeds channel limit|no known route/i

/** The deadline's error. */
export function tooSlow(timeoutMs: number): LayermillError {
  return new LayermillError('IMAGE_TIMEOUT', `the picture was not decoded within ${timeoutMs / 1000} s`, {
    hint: '--image-timeout gives more time.',
  })
}

function toDecodeError(error: unknown, bytes: Uint8Array, format: ImageFormat, { maxPixels, timeoutMs }: SharpOptions): LayermillError {
  if (error instanceof LayermillError) return error
  const reason = errorMessage(error).replaceAll(/\s+/g, ' ').trim().slice(0, maxReason)
  if (/^timeout: \d+% complete/i.test(reason)) return tooSlow(timeoutMs)
  if (/pixel limit/i.test(reason)) {
    return new LayermillError('IMAGE_TOO_LARGE', `the ${format} picture has more than ${maxPixels} pixels, the most that are decoded`, {
      cause: error,
    })
  }
  // libvips' words say no more, and not always the same: its threads have one buffer for them.
  if (endsEarly(bytes, format) || truncated.test(reason)) {
    return new LayermillError('IMAGE_TRUNCATED', `the ${format} file ends early`, { cause: error })
  }
  // "unsupported image format" is what sharp says of any header it cannot make sense of.
  if (unsupported.test(reason) && !/unsupported image format/i.test(reason)) {
    return new LayermillError('IMAGE_UNSUPPORTED', `the ${format} file uses a feature that is not read: ${reason}`, { cause: error })
  }
  const why = /^unknown error$/i.test(reason) ? '' : `: ${reason}`
  return new LayermillError('IMAGE_CORRUPT', `the ${format} file is damaged${why}`, { cause: error })
}
