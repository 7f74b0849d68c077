import { type ErrorCode, LayermillError } from '@layermill/core'
import type { Bucket } from '../s3/bucket.js'

const sourceCodes = new Map<string, ErrorCode>([
  ['STORE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  ['STORE_DENIED', 'SOURCE_DENIED'],
  ['STORE_MISSING', 'SOURCE_MISSING'],
] satisfies [ErrorCode, ErrorCode][])

/** A store's error as a source's: what the network did is worth another try, the rest is not. */
export function sourceError(error: unknown): unknown {
  if (!(error instanceof LayermillError)) return error
  const code = sourceCodes.get(error.code)
  return code === undefined ? error : new LayermillError(code, error.message, { hint: error.hint, cause: error })
}

/** An image's bytes from a bucket, in one request that names the version listed; `range` is an HTTP range. */
export async function readObject(bucket: Bucket, key: string, etag: string | undefined, range?: string): Promise<Uint8Array> {
  const outcome = await bucket.read(key, { etag, range }).catch((error: unknown) => {
    throw sourceError(error)
  })
  if (outcome === 'missing') throw new LayermillError('IMAGE_MISSING', `${bucket.url(key)} does not exist`)
  if (outcome === 'changed') {
    throw new LayermillError('IMAGE_CHANGED', `${bucket.url(key)} has changed since it was listed`, { hint: 'Run again to list it anew.' })
  }
  return outcome.bytes
}

export async function statObject(bucket: Bucket, key: string): Promise<{ bytes: number; etag: string } | undefined> {
  const found = await bucket.stat(key).catch((error: unknown) => {
    throw sourceError(error)
  })
  return found === undefined ? undefined : { bytes: found.bytes, etag: found.etag }
}
