import { randomBytes } from 'node:crypto'
import { checkKey } from '../keys.js'
import { Pieces } from '../pieces.js'
import type { PutOptions, Store, StoreEntry } from '../store.js'
import { Bucket, quote } from './bucket.js'
import { parseS3Url, s3Client, s3Endpoint, defaultTimeouts, type Timeouts } from './client.js'
import { s3Error } from './errors.js'
import { type Condition, singlePutBytes, upload } from './upload.js'
import { uploadStream } from './upload-stream.js'

/** Headers that a server honours on PUT: `If-None-Match: *`, and `If-Match` with the etag quoted (the standard) or bare (older radosgw). */
export interface Conditions {
  readonly ifAbsent: boolean
  readonly ifMatch: 'quoted' | 'bare' | undefined
}

const isExact = ({ ifAbsent, ifMatch }: Conditions): boolean => ifAbsent && ifMatch !== undefined

/** Servers and buckets that this process has warned of. */
const warned = new Set<string>()

/**
 * A bucket's prefix as a store. Conditional writes are the server's own where it has them, which is asked once, with a small object that
 * is deleted again; on other servers `ifAbsent` and `ifMatch` look first and write then, which two writers at the same moment can both
 * pass.
 */
export class S3Store implements Store {
  readonly url: string
  private readonly bucket: Bucket
  private readonly prefix: string
  private readonly server: string
  private probe: Promise<Conditions> | undefined

  /**
   * @param url `s3://bucket/prefix`; the environment names the server and the credentials.
   * @param warn told once in a process, for each bucket, that its server ignores conditions
   */
  constructor(
    url: string,
    env: NodeJS.ProcessEnv = process.env,
    timeouts: Timeouts = defaultTimeouts,
    private readonly warn?: (text: string) => void,
  ) {
    const { bucket, prefix } = parseS3Url(url)
    const root = prefix.replace(/\/+$/, '')
    if (root !== '') checkKey(root, url)
    this.prefix = root === '' ? '' : `${root}/`
    this.url = `s3://${bucket}/${root}`
    this.server = s3Endpoint(env) ?? 'AWS'
    this.bucket = new Bucket(s3Client({ env, timeouts }), bucket, timeouts)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const outcome = await this.bucket.read(this.keyOf(key))
    return typeof outcome === 'string' ? undefined : outcome.bytes
  }

  async getRange(key: string, start: number, end: number): Promise<Uint8Array | undefined> {
    const whole = this.keyOf(key)
    // HTTP has no empty range.
    if (end <= start) return (await this.bucket.stat(whole)) === undefined ? undefined : new Uint8Array()
    const outcome = await this.bucket.read(whole, { range: `bytes=${start}-${end - 1}` })
    return typeof outcome === 'string' ? undefined : outcome.bytes
  }

  async stat(key: string): Promise<StoreEntry | undefined> {
    const object = await this.bucket.stat(this.keyOf(key))
    return object === undefined ? undefined : { ...object, key }
  }

  async put(key: string, bytes: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    const whole = this.keyOf(key)
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
    try {
      const condition = await this.condition(whole, options, data.byteLength)
      if (condition === undefined) return false
      return await upload({ bucket: this.bucket, key: whole, bytes: data, contentType: options.contentType, condition })
    } catch (error) {
      throw s3Error('write', this.bucket.url(whole), error)
    }
  }

  async putStream(
    key: string,
    pieces: AsyncIterable<Uint8Array>,
    options: Pick<PutOptions, 'ifAbsent' | 'contentType'> = {},
  ): Promise<boolean> {
    const whole = this.keyOf(key)
    const own = new Pieces(pieces)
    try {
      const condition = await this.condition(whole, options, Infinity)
      if (condition === undefined) return false
      return await uploadStream({ bucket: this.bucket, key: whole, contentType: options.contentType, condition }, own)
    } catch (error) {
      if (own.threw(error)) throw error
      throw s3Error('write', this.bucket.url(whole), error)
    }
  }

  async *list(prefix: string, options: { after?: string } = {}): AsyncGenerator<StoreEntry> {
    if (prefix !== '') checkKey(prefix.replace(/\/$/, ''), this.url)
    const after = options.after === undefined ? undefined : this.prefix + options.after
    for await (const object of this.bucket.list(this.prefix + prefix, after)) {
      yield { ...object, key: object.key.slice(this.prefix.length) }
    }
  }

  async delete(key: string): Promise<void> {
    await this.bucket.delete(this.keyOf(key))
  }

  async swapsExactly(): Promise<boolean> {
    try {
      return isExact(await this.conditions())
    } catch (error) {
      throw s3Error('write', this.url, error)
    }
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.bucket.client.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Which conditions on PUT the server honours; asked once for each store opened. */
  async conditions(): Promise<Conditions> {
    this.probe ??= this.probeConditions()
    try {
      const found = await this.probe
      if (!isExact(found)) this.warnOnce()
      return found
    } catch (error) {
      this.probe = undefined
      throw error
    }
  }

  private warnOnce(): void {
    const place = `${this.server} ${this.bucket.name}`
    if (this.warn === undefined || warned.has(place)) return
    warned.add(place)
    this.warn(
      `the server of s3://${this.bucket.name} ignores conditional writes: two commands that write the same results at once can overwrite each other's records`,
    )
  }

  /** The condition to send with a PUT; undefined where it is known already that it does not hold. */
  private async condition(key: string, { ifAbsent, ifMatch }: PutOptions, bytes: number): Promise<Condition | undefined> {
    if (ifAbsent !== true && ifMatch === undefined) return {}
    const supported = await this.conditions()
    const exact = ifMatch === undefined ? supported.ifAbsent : supported.ifMatch !== undefined
    // Looked at first where the server cannot say, and where a refusal would come only after a long upload.
    if (!exact || bytes > singlePutBytes) {
      const there = await this.bucket.stat(key)
      if (ifMatch === undefined ? there !== undefined : there?.etag !== ifMatch) return undefined
    }
    if (!exact) return {}
    return ifMatch === undefined ? { ifNoneMatch: '*' } : { ifMatch: supported.ifMatch === 'quoted' ? quote(ifMatch) : ifMatch }
  }

  private async probeConditions(): Promise<Conditions> {
    const key = `${this.prefix}.layermill-probe-${randomBytes(8).toString('hex')}`
    const passes = async (condition: Condition): Promise<boolean> => {
      try {
        return await upload({ bucket: this.bucket, key, bytes: Buffer.from('probe'), contentType: undefined, condition })
      } catch (error) {
        // Servers that know no conditions may say so instead of passing over them.
        if (error instanceof Error && ['NotImplemented', 'InvalidArgument', 'InvalidRequest'].includes(error.name)) return true
        throw error
      }
    }
    try {
      await passes({})
      const ifAbsent = !(await passes({ ifNoneMatch: '*' }))
      if (await passes({ ifMatch: quote('0'.repeat(32)) })) return { ifAbsent, ifMatch: undefined }
      const etag = (await this.bucket.stat(key))?.etag ?? ''
      if (await passes({ ifMatch: quote(etag) })) return { ifAbsent, ifMatch: 'quoted' }
      return { ifAbsent, ifMatch: (await passes({ ifMatch: etag })) ? 'bare' : undefined }
    } finally {
      await this.bucket.delete(key)
    }
  }

  private keyOf(key: string): string {
    checkKey(key, this.url)
    return this.prefix + key
  }
}
