import type { CompletedPart } from '@aws-sdk/client-s3'
import { randomUUID } from 'node:crypto'
import type { Bucket } from './bucket.js'
import { statusOf, withRetries } from './retry.js'
import { sdk } from './sdk.js'

/** Up to here one PUT, whole or not at all; above it parts. */
export const singlePutBytes = 64 * 1024 * 1024
const uploadPartBytes = 16 * 1024 * 1024
export const mostParts = 10_000
const partsAtOnce = 4

/** Headers as they are sent. */
export interface Condition {
  readonly ifNoneMatch?: '*'
  readonly ifMatch?: string
}

/** Upload without its bytes: bucket, key, content type and condition. */
export interface UploadTarget {
  readonly bucket: Bucket
  readonly key: string
  readonly contentType: string | undefined
  readonly condition: Condition
}

interface Request extends UploadTarget {
  readonly bytes: Uint8Array
}

/** A target, and the mark that tells this write from another writer's of the same bytes. */
interface MarkedTarget extends UploadTarget {
  readonly mark: string
}

type Upload = Request & MarkedTarget

/**
 * Writes an object, in one PUT or in parts. False where the condition did not hold. An answer that was lost is not taken for a refusal:
 * where a later attempt is refused and the object carries this write's mark, the earlier attempt was carried out.
 */
export async function upload(request: Request): Promise<boolean> {
  const marked = { ...request, mark: randomUUID() }
  return request.bytes.byteLength <= singlePutBytes ? putWhole(marked) : putParts(marked, id => sendParts(marked, id))
}

/** User metadata that holds a write's mark. */
const markName = 'layermill-write'

function headers({ ifNoneMatch, ifMatch }: Condition): { IfNoneMatch?: string; IfMatch?: string } {
  return { IfNoneMatch: ifNoneMatch, IfMatch: ifMatch }
}

async function putWhole(request: Upload): Promise<boolean> {
  const { bucket, key, bytes, contentType, condition, mark } = request
  return withRetries(async attempt => {
    try {
      await bucket.client.send(
        new (sdk().PutObjectCommand)({
          Bucket: bucket.name,
          Key: key,
          Body: bytes,
          ContentLength: bytes.byteLength,
          ContentType: contentType,
          Metadata: { [markName]: mark },
          ...headers(condition),
        }),
      )
      return true
    } catch (error) {
      if (!isRefusal(error, condition)) throw error
      return attempt > 1 && (await isOurs(request))
    }
  })
}

/** 412 is a condition that did not hold; 404 too, for one on a version of a key that is not there. */
function isRefusal(error: unknown, condition: Condition): boolean {
  if (statusOf(error) === 412) return true
  return condition.ifMatch !== undefined && error instanceof Error && statusOf(error) === 404 && error.name !== 'NoSuchBucket'
}

async function isOurs({ bucket, key, mark }: MarkedTarget): Promise<boolean> {
  try {
    const there = await withRetries(async () => bucket.client.send(new (sdk().HeadObjectCommand)({ Bucket: bucket.name, Key: key })))
    return there.Metadata?.[markName] === mark
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

/**
 * Writes an object in the parts that `send` sends; false where the condition did not hold, and nothing is left of it where sending fails.
 */
export async function uploadParts(target: UploadTarget, send: (id: UploadId) => Promise<CompletedPart[]>): Promise<boolean> {
  return putParts({ ...target, mark: randomUUID() }, send)
}

async function putParts(request: MarkedTarget, send: (id: UploadId) => Promise<CompletedPart[]>): Promise<boolean> {
  const { bucket, key, contentType, condition, mark } = request
  const target = { Bucket: bucket.name, Key: key }
  const created = await withRetries(async () =>
    bucket.client.send(
      new (sdk().CreateMultipartUploadCommand)({
        ...target,
        ContentType: contentType,
        Metadata: { [markName]: mark },
      }),
    ),
  )
  const id = { ...target, UploadId: created.UploadId }
  try {
    const parts = await send(id)
    return await withRetries(async attempt => {
      try {
        await bucket.client.send(
          new (sdk().CompleteMultipartUploadCommand)({ ...id, MultipartUpload: { Parts: parts }, ...headers(condition) }),
        )
        return true
      } catch (error) {
        // After a lost answer the upload is gone, because it was completed.
        if (attempt > 1 && (statusOf(error) === 404 || isRefusal(error, condition)) && (await isOurs(request))) return true
        if (!isRefusal(error, condition)) throw error
        await abort(bucket, id)
        return false
      }
    })
  } catch (error) {
    await abort(bucket, id)
    throw error
  }
}

export type UploadId = { Bucket: string; Key: string; UploadId: string | undefined }

/** Sends one part of an upload. @param number from 1 */
export async function sendPart(bucket: Bucket, id: UploadId, number: number, body: Uint8Array): Promise<CompletedPart> {
  const sent = await withRetries(async () =>
    bucket.client.send(
      new (sdk().UploadPartCommand)({
        ...id,
        PartNumber: number,
        Body: body,
        ContentLength: body.byteLength,
      }),
    ),
  )
  return { PartNumber: number, ETag: sent.ETag }
}

async function sendParts({ bucket, bytes }: Upload, id: UploadId): Promise<CompletedPart[]> {
  const size = Math.max(uploadPartBytes, Math.ceil(bytes.byteLength / mostParts))
  const parts: CompletedPart[] = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) => ({ PartNumber: index + 1 }))
  let next = 0
  let failed = false
  const sender = async (): Promise<void> => {
    for (let index = next++; index < parts.length && !failed; index = next++) {
      const body = bytes.subarray(index * size, Math.min((index + 1) * size, bytes.byteLength))
      try {
        parts[index] = await sendPart(bucket, id, index + 1, body)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const senders = await Promise.allSettled(Array.from({ length: partsAtOnce }, sender))
  for (const result of senders) if (result.status === 'rejected') throw result.reason
  return parts
}

async function abort(bucket: Bucket, id: UploadId): Promise<void> {
  // Only tidying up: where it fails, the bucket's lifecycle rule for incomplete uploads does it.
  await bucket.client.send(new (sdk().AbortMultipartUploadCommand)(id)).catch(() => undefined)
}
