import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { errorMessage, LayermillError } from '@layermill/core'
import { fileEtag } from '../../files/etag.js'
import { readRange } from '../../files/read.js'
import { walkFiles } from '../../files/walk.js'
import { checkKey, sortUtf8 } from '../../keys.js'
import { Glob } from '../glob.js'
import { changedImage, imageError, statImage } from '../local.js'
import type { Shard, ShardPlace } from './shards.js'
import { missingShard, type ShardPattern } from './shard-pattern.js'

/** Archives on disk: one file, or those that a pattern stands for. */
export class LocalShards implements ShardPlace {
  readonly window = 64 * 1024
  private readonly root: string

  constructor(
    readonly url: string,
    private readonly pattern: ShardPattern,
  ) {
    this.root = resolve(pattern.base)
  }

  /** One archive. */
  static of(path: string, url: string, kind: ShardPattern['kind']): LocalShards {
    return new LocalShards(url, { kind, base: dirname(path), names: [basename(path)], globs: [] })
  }

  async list(): Promise<Shard[]> {
    const { names, globs } = this.pattern
    const found = new Map<string, Shard>()
    for (const name of names) {
      const shard = await this.stat(name)
      if (shard === undefined) throw missingShard(name, this.url)
      found.set(name, shard)
    }
    for await (const name of this.matching(globs)) {
      const shard = await this.stat(name)
      if (shard !== undefined) found.set(name, shard)
    }
    return sortUtf8([...found.keys()]).map(name => found.get(name)!)
  }

  async stat(name: string): Promise<Shard | undefined> {
    const info = await statImage(this.path(name))
    return info === undefined ? undefined : { name, ...info }
  }

  async range({ name, etag }: Pick<Shard, 'name' | 'etag'>, start: number, end: number): Promise<Uint8Array> {
    const path = this.path(name)
    let file: FileHandle | undefined
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      if (fileEtag(await file.stat({ bigint: true })) !== etag) throw changedImage(path)
      const bytes = await readRange(file, start, end)
      if (fileEtag(await file.stat({ bigint: true })) !== etag) throw changedImage(path)
      return bytes
    } catch (error) {
      throw imageError(path, error)
    } finally {
      await file?.close()
    }
  }

  async close(): Promise<void> {}

  private path(name: string): string {
    checkKey(name, this.url)
    return join(this.root, name)
  }

  private async *matching(globs: readonly string[]): AsyncGenerator<string> {
    if (globs.length === 0 || (await statFolder(this.root)) === undefined) return
    const patterns = globs.map(glob => new Glob(glob))
    const depth = Math.max(...patterns.map(pattern => pattern.depth))
    yield* walkFiles(this.root, {
      followLinks: true,
      accept: (key, name, kind) => {
        if (name.startsWith('.')) return false
        return kind === 'directory' ? key.split('/').length <= depth : kind === 'file' && patterns.some(pattern => pattern.matches(key))
      },
      onUnreadable: (key, error) => {
        throw new LayermillError('SOURCE_DENIED', `cannot list ${join(this.root, key)}: ${errorMessage(error)}`, { cause: error })
      },
    })
  }
}

async function statFolder(path: string): Promise<true | undefined> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY).catch(() => undefined)
  await folder?.close()
  return folder === undefined ? undefined : true
}
