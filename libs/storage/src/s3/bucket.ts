import type { GetObjectCommandOutput, ListObjectsV2CommandOutput, S3Client } from '@aws-sdk/client-s3'
import { LayermillError } from '@layermill/core'
import { compareUtf8 } from '../keys.js'
import { readBody } from './body.js'
import { defaultTimeouts, type Timeouts } from './client.js'
import { s3Error } from './errors.js'
import { statusOf, withRetries } from './retry.js'
import { sdk } from './sdk.js'

/** An object as listed: its whole key in the bucket. */
export interface S3Object {
  readonly key: string
  readonly bytes: number
  readonly etag: string
}

/** One page of a listing, keys in order; `next` continues it. */
interface Page {
  readonly objects: S3Object[]
  readonly folders: string[]
  readonly next: string | undefined
}

/** Outcome of a read: the bytes, nothing there, or another version than asked for. */
export type ReadOutcome = { readonly bytes: Uint8Array; readonly etag: string } | 'missing' | 'changed'

export const unquote = (etag: string | undefined): string => (etag ?? '').replace(/^(W\/)?"|"$/g, '')
export const quote = (etag: string): string => `"${etag}"`

/** True where the answer says that there is no such key; a missing bucket is an error instead. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && error.name !== 'NoSuchBucket' && statusOf(error) === 404
}

/** Reading one bucket: what stores and sources share. Keys are whole keys. */
export class Bucket {
  constructor(
    readonly client: S3Client,
    readonly name: string,
    private readonly timeouts: Timeouts = defaultTimeouts,
  ) {}

  url(key: string): string {
    return `s3://${this.name}/${key}`
  }

  /** An object's bytes, read once; of one version where an etag is given, of a range where one is. */
  async read(key: string, options: { etag?: string; range?: string } = {}): Promise<ReadOutcome> {
    try {
      return await withRetries(async () => {
        const output = await this.getObject(key, options)
        return { bytes: await readBody(output, this.timeouts.idle), etag: unquote(output.ETag) }
      })
    } catch (error) {
      if (isMissing(error)) return 'missing'
      if (statusOf(error) === 412) return 'changed'
      if (statusOf(error) === 416) return { bytes: new Uint8Array(), etag: '' }
      throw s3Error('read', this.url(key), error)
    }
  }

  /** An object as a stream of chunks, for list files of any size; undefined where there is none. */
  async open(key: string): Promise<{ chunks: AsyncIterable<Uint8Array>; bytes: number } | undefined> {
    const object = await this.stat(key)
    return object === undefined ? undefined : { bytes: object.bytes, chunks: this.chunks(object) }
  }

  async stat(key: string): Promise<S3Object | undefined> {
    try {
      const output = await withRetries(async () => this.client.send(new (sdk().HeadObjectCommand)({ Bucket: this.name, Key: key })))
      return { key, bytes: output.ContentLength ?? 0, etag: unquote(output.ETag) }
    } catch (error) {
      // A HEAD has no body, so a missing bucket looks like a missing key here; the next request that can tell does.
      if (isMissing(error)) return undefined
      throw s3Error('look at', this.url(key), error)
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await withRetries(async () => this.client.send(new (sdk().DeleteObjectCommand)({ Bucket: this.name, Key: key })))
    } catch (error) {
      if (!isMissing(error)) throw s3Error('delete', this.url(key), error)
    }
  }

  /** Objects whose key starts with `prefix`, in order, a page ahead of the reader. */
  async *list(prefix: string, after?: string): AsyncGenerator<S3Object> {
    let last = after
    let page: Promise<Page> | undefined = this.page({ prefix, after })
    while (page !== undefined) {
      const { objects, next }: Page = await page
      page = next === undefined ? undefined : this.page({ prefix, next })
      page?.catch(() => undefined)
      for (const object of objects) {
        if (last !== undefined && compareUtf8(object.key, last) <= 0) {
          throw new LayermillError(
            'STORE_FAILED',
            `${this.url(prefix)} is not listed in the order of its keys (${object.key} after ${last})`,
            {
              hint: 'Buckets that list in no order (S3 directory buckets) cannot be used: runs could not go on where they stopped.',
            },
          )
        }
        last = object.key
        yield object
      }
    }
  }

  /** Whether any key starts with this. */
  async holds(prefix: string): Promise<boolean> {
    const page = await this.page({ prefix, most: 1 })
    return page.objects.length > 0
  }

  /** Whether an object that `matches` lies directly under `prefix`, in no folder. */
  async holdsDirectly(prefix: string, matches: (name: string) => boolean): Promise<boolean> {
    for (let next: string | undefined = ''; next !== undefined;) {
      const page: Page = await this.page({ prefix, next: next === '' ? undefined : next, delimiter: '/' })
      if (page.objects.some(object => matches(object.key.slice(prefix.length)))) return true
      next = page.next
    }
    return false
  }

  /** The keys under a prefix that one answer holds, those behind `after` where one is given. */
  async firstPage(prefix: string, after?: string): Promise<string[]> {
    return (await this.page({ prefix, after })).objects.map(({ key }) => key)
  }

  /** Objects and folders directly under a prefix. Undefined where they are more than one answer holds. */
  async top(prefix: string): Promise<{ objects: readonly S3Object[]; folders: readonly string[] } | undefined> {
    const page = await this.page({ prefix, delimiter: '/' })
    return page.next === undefined ? page : undefined
  }

  private async getObject(key: string, options: { etag?: string; range?: string }): Promise<GetObjectCommandOutput> {
    return this.client.send(
      new (sdk().GetObjectCommand)({
        Bucket: this.name,
        Key: key,
        Range: options.range,
        IfMatch: options.etag === undefined || options.etag === '' ? undefined : quote(options.etag),
      }),
    )
  }

  /** Ranges of one version, so that a list that is replaced while it is read is noticed. */
  private async *chunks(object: S3Object): AsyncGenerator<Uint8Array> {
    const size = 8 * 1024 * 1024
    for (let start = 0; start < object.bytes; start += size) {
      const end = Math.min(start + size, object.bytes)
      const outcome = await this.read(object.key, { etag: object.etag, range: `bytes=${start}-${end - 1}` })
      if (typeof outcome === 'string') throw new LayermillError('SOURCE_CHANGED', `${this.url(object.key)} changed while it was read`)
      yield outcome.bytes
    }
  }

  private async page(request: { prefix: string; after?: string; next?: string; delimiter?: string; most?: number }): Promise<Page> {
    try {
      const output: ListObjectsV2CommandOutput = await withRetries(async () =>
        this.client.send(
          new (sdk().ListObjectsV2Command)({
            Bucket: this.name,
            Prefix: request.prefix,
            Delimiter: request.delimiter,
            MaxKeys: request.most,
            StartAfter: request.next === undefined ? request.after : undefined,
            ContinuationToken: request.next,
            // Keys may hold characters that XML cannot.
            EncodingType: 'url',
          }),
        ),
      )
      return {
        objects: (output.Contents ?? []).map(({ Key, Size, ETag }) => ({ key: decode(Key ?? ''), bytes: Size ?? 0, etag: unquote(ETag) })),
        folders: (output.CommonPrefixes ?? []).map(({ Prefix }) => decode(Prefix ?? '')),
        next: output.IsTruncated === true ? output.NextContinuationToken : undefined,
      }
    } catch (error) {
      throw s3Error('list', this.url(request.prefix), error)
    }
  }
}

function decode(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '))
}
