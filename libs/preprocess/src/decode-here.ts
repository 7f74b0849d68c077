import { decodeBmp } from './bmp.js'
import { decodeWithSharp, tooSlow } from './decode-with-sharp.js'
import { sniffFormat } from './format.js'
import { decodeGif } from './gif.js'
import type { RgbImage } from './image.js'
import { Pacer } from './pacer.js'
import { decodePnm } from './pnm.js'

/** Limits of one decoding. */
export interface DecodeLimits {
  readonly autoOrient: boolean
  readonly maxPixels: number
  readonly timeoutMs: number
}

/**
 * Decodes a picture in this process: in this thread by our own decoders, which keep to the deadline, or in a thread of libuv's pool by
 * libvips, which keeps to it where it decodes in rows.
 * @throws LayermillError as `decodeImage`
 */
export async function decodeHere(bytes: Uint8Array, limits: DecodeLimits): Promise<RgbImage> {
  const format = sniffFormat(bytes)
  const deadline = performance.now() + limits.timeoutMs
  const pacer = new Pacer(() => {
    if (performance.now() > deadline) throw tooSlow(limits.timeoutMs)
  })
  if (format === 'bmp') return await decodeBmp(bytes, limits.maxPixels, pacer)
  if (format === 'gif') return await decodeGif(bytes, limits.maxPixels, pacer)
  if (format === 'pnm') return await decodePnm(bytes, limits.maxPixels, pacer)
  return await decodeWithSharp(bytes, format, limits)
}
