import { LayermillError } from '@layermill/core'
import type { Size2 } from '@layermill/models'
import { loadSharp } from '../configure.js'
import { decodeImage, defaultImageTimeoutMs, defaultMaxPixels, type DecodeOptions } from '../decode.js'
import { cmykToRgb } from '../decode-with-sharp.js'
import { readJpegFrame, sniffFormat } from '../format.js'
import type { RgbImage } from '../image.js'
import { checkSize, maxSide } from '../picture-size.js'
import { decodeAtScale } from './draft-decoder.js'
import { orient } from './orient.js'
import { atScale, type DraftScale, draftScale } from './scale.js'

/** The part that a preparation resizes of a picture of a height and width, and its size afterwards. */
export type SizeNeeded = (height: number, width: number) => { readonly part: Size2; readonly resized: Size2 }

/** A JPEG that is decoded at a scale; sides as stored. */
export interface DraftPlan {
  readonly scale: DraftScale
  readonly width: number
  readonly height: number
  /** EXIF orientation, 1 where it is not asked for. */
  readonly orientation: number
}

async function orientationOf(bytes: Uint8Array): Promise<number> {
  const sharp = await loadSharp()
  const { orientation = 1 } = await sharp(bytes).metadata()
  return orientation
}

/** Scale of a picture; undefined for what is no JPEG, and for JPEGs that are needed whole. */
export async function planDraft(bytes: Uint8Array, needed: SizeNeeded, autoOrient = false): Promise<DraftPlan | undefined> {
  const frame = sniffFormat(bytes) === 'jpeg' ? readJpegFrame(bytes) : undefined
  // A height of 0 is told after the first scan, which is the exact decoder's to read.
  if (frame === undefined || frame.width === 0 || frame.height === 0) return undefined
  const { width, height } = frame
  // Damage is the decoder's to report.
  const orientation = autoOrient ? await orientationOf(bytes).catch(() => 1) : 1
  const { part, resized } = orientation >= 5 ? needed(width, height) : needed(height, width)
  const scale = draftScale(part, resized)
  const whole = Math.max(atScale(width, scale), atScale(height, scale)) * scale
  return scale === 1 || whole > maxSide ? undefined : { scale, width, height, orientation }
}

/**
 * A copy of a JPEG whose frame is declared up to the next multiple of the scale: the decoder drops the columns and rows of a cut-off share,
 * and Pillow keeps them. What is added lies within the blocks that every encoder writes.
 */
function withWholeShares(bytes: Uint8Array, { scale, width, height }: DraftPlan): Uint8Array {
  const copy = new Uint8Array(bytes)
  const { at } = readJpegFrame(copy)!
  const view = new DataView(copy.buffer)
  view.setUint16(at + 5, atScale(height, scale) * scale)
  view.setUint16(at + 7, atScale(width, scale) * scale)
  return copy
}

/** Samples of one, three or four channels as RGB. */
async function toRgb(data: Uint8Array, channels: number): Promise<Uint8Array> {
  if (channels === 3) return data
  if (channels === 4) return await cmykToRgb(data, channels)
  const rgb = new Uint8Array(data.length * 3)
  for (let i = 0; i < data.length; i++) rgb.fill(data[i]!, 3 * i, 3 * i + 3)
  return rgb
}

/**
 * Decodes a JPEG at a scale of `planDraft`, as Pillow 12.3 with libjpeg-turbo 3.1 does after `Image.draft`: the same bytes.
 * @returns the small picture, and the sides of the whole one, turned where that is asked for
 * @throws LayermillError as `decodeImage`; DECODER_UNAVAILABLE without the package wasm-vips
 */
export async function decodeDraft(
  bytes: Uint8Array,
  plan: DraftPlan,
  { autoOrient = false, maxPixels = defaultMaxPixels, timeoutMs = defaultImageTimeoutMs }: DecodeOptions = {},
): Promise<{ image: RgbImage; width: number; height: number }> {
  checkSize(plan.width, plan.height, maxPixels)
  const answer = await decodeAtScale({ bytes: withWholeShares(bytes, plan), scale: plan.scale }, timeoutMs)
  if ('reason' in answer) {
    if (answer.missing) {
      throw new LayermillError('DECODER_UNAVAILABLE', '--decode draft needs the package wasm-vips, which is not installed', {
        hint: 'npm install -g layermill wasm-vips@0.0.19 (or beside layermill, where that is installed); or --decode exact',
      })
    }
    // It says more of a damaged picture.
    await decodeImage(bytes, { autoOrient, maxPixels, timeoutMs })
    throw new LayermillError('IMAGE_CORRUPT', `the jpeg file cannot be decoded at 1/${plan.scale}: ${answer.reason}`, {
      hint: '--decode exact reads it',
    })
  }
  const { width, height, channels, data } = answer
  if (width !== atScale(plan.width, plan.scale) || height !== atScale(plan.height, plan.scale)) {
    throw new LayermillError(
      'IMAGE_CORRUPT',
      `the jpeg file is ${width}x${height} at 1/${plan.scale}, its header says ${plan.width}x${plan.height}`,
    )
  }
  const stored = { width, height, data: await toRgb(data, channels) }
  const [wholeWidth, wholeHeight] = plan.orientation >= 5 ? [plan.height, plan.width] : [plan.width, plan.height]
  return { image: orient(stored, plan.orientation), width: wholeWidth, height: wholeHeight }
}
