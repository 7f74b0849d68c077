import { loadSharp } from './configure.js'
import { decodeImage, type DecodeOptions } from './decode.js'
import { resizeImage } from './resample.js'

/**
 * A small JPEG of a picture for reports, its longer side at most `side` pixels; never enlarged.
 * @throws LayermillError as `decodeImage` does
 */
export async function thumbnail(bytes: Uint8Array, side: number, options: DecodeOptions = {}): Promise<Uint8Array> {
  const image = await decodeImage(bytes, options)
  const scale = Math.min(1, side / Math.max(image.width, image.height))
  const width = Math.max(1, Math.round(image.width * scale))
  const height = Math.max(1, Math.round(image.height * scale))
  const { data } = await resizeImage(image, width, height, 'bilinear')
  const sharp = await loadSharp()
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 80 })
    .toBuffer()
}
