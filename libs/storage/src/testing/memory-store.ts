import { createHash } from 'node:crypto'
import { checkKey, compareUtf8 } from '../keys.js'
import type { PutOptions, Store, StoreEntry } from '../store.js'

/** A store in memory that tells versions by their content, as S3's etags do: one that comes back is the same version again. */
export class MemoryStore implements Store {
  readonly url = 's3://memory/'
  private readonly objects: Map<string, Uint8Array>

  /** @param objects those of another store: a second one on the same place */
  constructor(objects = new Map<string, Uint8Array>()) {
    this.objects = objects
  }

  /** A second store on the same place. */
  again(): MemoryStore {
    return new MemoryStore(this.objects)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.at(key)?.slice()
  }

  async getRange(key: string, start: number, end: number): Promise<Uint8Array | undefined> {
    return this.at(key)?.slice(start, end)
  }

  async stat(key: string): Promise<StoreEntry | undefined> {
    const bytes = this.at(key)
    return bytes === undefined ? undefined : { key, bytes: bytes.byteLength, etag: createHash('md5').update(bytes).digest('hex') }
  }

  async put(key: string, bytes: Uint8Array | string, { ifAbsent, ifMatch }: PutOptions = {}): Promise<boolean> {
    const there = this.at(key)
    if (ifAbsent === true && there !== undefined) return false
    if (ifMatch !== undefined && (there === undefined || createHash('md5').update(there).digest('hex') !== ifMatch)) return false
    this.objects.set(key, Uint8Array.from(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes))
    return true
  }

  async putStream(key: string, pieces: AsyncIterable<Uint8Array>, options: Pick<PutOptions, 'ifAbsent'> = {}): Promise<boolean> {
    checkKey(key, this.url)
    const all: Uint8Array[] = []
    for await (const piece of pieces) all.push(piece.slice())
    return this.put(key, Buffer.concat(all), options)
  }

  async *list(prefix: string, { after }: { after?: string } = {}): AsyncGenerator<StoreEntry> {
    const keys = [...this.objects.keys()].filter(key => key.startsWith(prefix) && (after === undefined || compareUtf8(key, after) > 0))
    for (const key of keys.sort(compareUtf8)) {
      const entry = await this.stat(key)
      if (entry !== undefined) yield entry
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key, this.url)
    this.objects.delete(key)
  }

  async swapsExactly(): Promise<boolean> {
    return true
  }

  async freeBytes(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private at(key: string): Uint8Array | undefined {
    checkKey(key, this.url)
    return this.objects.get(key)
  }
}
