import { LayermillError } from '@layermill/core'
import { checkKey, sortUtf8 } from '../../keys.js'
import { mapOrdered } from '../../prefetch.js'
import type { Bucket } from '../../s3/bucket.js'
import { Glob } from '../glob.js'
import { readObject, sourceError, statObject } from '../objects.js'
import type { Shard, ShardPlace } from './shards.js'
import { missingShard, type ShardPattern } from './shard-pattern.js'

const statsAtOnce = 32

/** Archives in a bucket: one object, or those that a pattern stands for. */
export class S3Shards implements ShardPlace {
  readonly window = 8 * 1024 * 1024
  private readonly root: string

  constructor(
    private readonly bucket: Bucket,
    readonly url: string,
    private readonly pattern: ShardPattern,
  ) {
    this.root = pattern.base === '' || pattern.base.endsWith('/') ? pattern.base : `${pattern.base}/`
  }

  /** One archive. */
  static of(bucket: Bucket, key: string, url: string, kind: ShardPattern['kind']): S3Shards {
    const slash = key.lastIndexOf('/')
    return new S3Shards(bucket, url, { kind, base: slash < 0 ? '' : key.slice(0, slash), names: [key.slice(slash + 1)], globs: [] })
  }

  async list(): Promise<Shard[]> {
    const { names, globs } = this.pattern
    const found = new Map<string, Shard>()
    const stats = mapOrdered(names, statsAtOnce, async name => ({ name, shard: await this.stat(name) }))
    for await (const { name, shard } of stats) {
      if (shard === undefined) throw missingShard(name, this.url)
      found.set(name, shard)
    }
    if (globs.length > 0) for (const shard of await this.matching(globs)) found.set(shard.name, shard)
    return sortUtf8([...found.keys()]).map(name => found.get(name)!)
  }

  async stat(name: string): Promise<Shard | undefined> {
    checkKey(name, this.url)
    const info = await statObject(this.bucket, this.root + name)
    return info === undefined ? undefined : { name, ...info }
  }

  async range({ name, etag }: Pick<Shard, 'name' | 'etag'>, start: number, end: number): Promise<Uint8Array> {
    checkKey(name, this.url)
    return end <= start ? new Uint8Array() : readObject(this.bucket, this.root + name, etag, `bytes=${start}-${end - 1}`)
  }

  async close(): Promise<void> {
    this.bucket.client.destroy()
  }

  private async matching(globs: readonly string[]): Promise<Shard[]> {
    const patterns = globs.map(glob => new Glob(glob))
    const shards: Shard[] = []
    try {
      for await (const { key, etag, bytes } of this.bucket.list(this.root)) {
        const name = key.slice(this.root.length)
        if (patterns.some(pattern => pattern.matches(name))) shards.push({ name, etag, bytes })
      }
    } catch (error) {
      throw sourceError(error)
    }
    for (const { name } of shards) {
      if (/(^|\/)\.{0,2}(\/|$)/.test(name))
        throw new LayermillError('KEY_INVALID', `${this.url}: ${JSON.stringify(name)} cannot be part of a key`)
    }
    return shards
  }
}
