import { LayermillError } from '@layermill/core'
import type { Bucket } from '../s3/bucket.js'
import { isArchived, isDenied } from '../s3/errors.js'
import { readObject } from './objects.js'

/** Other objects that are tried before a source counts as denied as a whole. */
const mostOthers = 12
/** Objects read last that are remembered: one of them may be gone or denied by now. */
const remembered = 3

/** `count` of some keys, spread over all of them. */
export function spread(keys: readonly string[], count: number): string[] {
  const step = Math.max(1, keys.length / count)
  return Array.from({ length: Math.min(count, keys.length) }, (_, index) => keys[Math.floor(index * step)]!)
}

const causeOf = (error: unknown): unknown => {
  let cause = error
  while (cause instanceof LayermillError && cause.cause !== undefined) cause = cause.cause
  return cause
}

/**
 * Reads a source's images from one bucket, and tells an image that its server keeps back from a source that is denied as a whole: where
 * another object can be read after the refusal, the refusal is the image's.
 */
export class ObjectReader {
  private readonly remembered: string[] = []

  /**
   * @param others keys of the same source, for a probe where nothing has been read; may be fewer than all, and may fail where listing is
   * denied
   */
  constructor(
    readonly bucket: Bucket,
    private readonly others: (denied: string) => Promise<readonly string[]>,
  ) {}

  /**
   * An image's bytes, of the version listed.
   *
   * @throws LayermillError `IMAGE_MISSING`, `IMAGE_CHANGED`, `IMAGE_ARCHIVED` (an archive class), `IMAGE_DENIED` (this one, or its key),
   *   `SOURCE_DENIED` (all of them), `SOURCE_UNREACHABLE`
   */
  async read(key: string, etag: string | undefined): Promise<Uint8Array> {
    try {
      const bytes = await readObject(this.bucket, key, etag)
      this.remember(key)
      return bytes
    } catch (error) {
      throw await this.explain(key, error)
    }
  }

  private async explain(key: string, error: unknown): Promise<unknown> {
    const cause = causeOf(error)
    if (!(error instanceof LayermillError) || error.code !== 'SOURCE_DENIED') return error
    if (isArchived(cause)) return new LayermillError('IMAGE_ARCHIVED', error.message, { hint: error.hint, cause: error })
    if (!isDenied(cause) || !(await this.othersReadable(key))) return error
    return new LayermillError('IMAGE_DENIED', `${error.message}; others of the source can be read`, {
      hint: "Check the object's own access rules and the key that it is encrypted with.",
      cause: error,
    })
  }

  private remember(key: string): void {
    if (this.remembered.includes(key)) return
    this.remembered.push(key)
    if (this.remembered.length > remembered) this.remembered.shift()
  }

  private async othersReadable(denied: string): Promise<boolean> {
    for (const key of [...this.remembered].reverse()) if (key !== denied && (await this.readable(key))) return true
    const others = await this.others(denied).catch((error: unknown) => {
      if (error instanceof LayermillError && error.code.endsWith('_UNREACHABLE')) throw error
      return []
    })
    for (const key of spread(
      others.filter(other => other !== denied),
      mostOthers,
    ))
      if (await this.readable(key)) return true
    return false
  }

  /** Whether a byte of an object is given out, or would be but for its archive class. */
  private async readable(key: string): Promise<boolean> {
    try {
      await readObject(this.bucket, key, undefined, 'bytes=0-0')
      return true
    } catch (error) {
      if (error instanceof LayermillError && error.code === 'SOURCE_UNREACHABLE') throw error
      return isArchived(causeOf(error))
    }
  }
}
