import { LayermillError } from '@layermill/core'
import type { Ahead } from '../prefetch.js'
import type { ImageSource } from './source.js'

/** Bytes of files that are read ahead: many small ones, or one that is larger than that. */
const mostAhead = 32 * 2 ** 20

function tooLarge(bytes: number, maxBytes: number): LayermillError {
  return new LayermillError('IMAGE_TOO_LARGE', `the file has ${bytes} bytes, at most ${maxBytes} are read`, {
    hint: '--max-bytes reads larger ones.',
  })
}

/**
 * An image's bytes, unless it is larger than `maxBytes`. What the listing says of its size is looked at before anything is read; in Parquet
 * files, where that is an average, the image's own size after it.
 * @throws LayermillError `IMAGE_TOO_LARGE`; as `source.read` does
 */
export async function readWithin(source: ImageSource, item: Parameters<ImageSource['read']>[0], maxBytes: number): Promise<Uint8Array> {
  const listed = source.kind === 'parquet' ? 0 : (item.bytes ?? 0)
  if (listed > maxBytes) throw tooLarge(listed, maxBytes)
  const bytes = await source.read(item)
  if (bytes.byteLength > maxBytes) throw tooLarge(bytes.byteLength, maxBytes)
  return bytes
}

/** Images worked on at once, by their number and by the bytes of their files. */
export function bytesAhead(calls: number): Ahead<{ readonly bytes?: number | undefined }> {
  return { calls, weigh: ({ bytes = 0 }) => bytes, most: mostAhead }
}
