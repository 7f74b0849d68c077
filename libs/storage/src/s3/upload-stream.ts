import type { CompletedPart } from '@aws-sdk/client-s3'
import { LayermillError } from '@layermill/core'
import { mapOrdered } from '../prefetch.js'
import { mostParts, sendPart, uploadParts, type UploadTarget } from './upload.js'

/** 10,000 of them are 320 GB; three are sent at once, so that about 128 MiB are in memory. */
const uploadPartBytes = 32 * 1024 * 1024
const partsAtOnce = 3

/** The pieces' bytes in parts of one size, the last one of what is left; one empty part where there are none. */
async function* cutParts(pieces: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let part = new Uint8Array(bytes)
  let filled = 0
  let any = false
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.byteLength;) {
      const length = Math.min(bytes - filled, piece.byteLength - taken)
      part.set(piece.subarray(taken, taken + length), filled)
      taken += length
      filled += length
      if (filled < bytes) continue
      yield part
      any = true
      part = new Uint8Array(bytes)
      filled = 0
    }
  }
  if (filled > 0 || !any) yield part.subarray(0, filled)
}

/**
 * Writes an object of bytes that come in pieces, in parts, whole or not at all. False where the condition did not hold.
 * @throws what the pieces throw, with nothing left behind
 */
export async function uploadStream(
  target: UploadTarget,
  pieces: AsyncIterable<Uint8Array>,
  partBytes: number = uploadPartBytes,
): Promise<boolean> {
  return uploadParts(target, async id => {
    let number = 0
    const sent = mapOrdered(cutParts(pieces, partBytes), partsAtOnce, async part => {
      if (++number > mostParts)
        throw new LayermillError('STORE_FAILED', `${target.key} is larger than the ${mostParts} parts of ${partBytes} bytes that S3 takes`)
      return sendPart(target.bucket, id, number, part)
    })
    const parts: CompletedPart[] = []
    for await (const part of sent) parts.push(part)
    return parts
  })
}
