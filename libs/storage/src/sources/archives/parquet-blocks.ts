import { LayermillError } from '@layermill/core'
import { LRUCache } from 'lru-cache'
import { ParquetFile, type Rows } from './parquet-file.js'
import type { Shard, ShardPlace } from './shards.js'

/** Bytes of decoded images that are kept for the rows that come next. */
const keptBytes = 256 * 1024 * 1024
const keptFiles = 16
const loadsAtOnce = 2
const rowOverhead = 128

type Block = readonly (Uint8Array | undefined)[]

/** Reads images of Parquet files by their rows; what had to be decoded together is kept, within a limit. */
export class ParquetBlocks {
  private readonly files = new LRUCache<string, Promise<ParquetFile>>({ max: keptFiles })
  private readonly blocks = new LRUCache<string, { readonly block: Block }>({
    maxSize: keptBytes,
    sizeCalculation: ({ block }) => block.reduce((sum, image) => sum + (image?.byteLength ?? 0) + rowOverhead, 1),
  })
  /** Loads under way, and those that failed for good: a damaged row group is decoded once, not once for each of its images. */
  private readonly loads = new Map<string, Promise<Block>>()
  private readonly failed = new LRUCache<string, LayermillError>({ max: 1000 })
  private running = 0
  private readonly waiting: (() => void)[] = []

  constructor(private readonly place: ShardPlace) {}

  /** A copy of the image of a row; undefined where the row has none. */
  async image(shard: Shard, row: number): Promise<Uint8Array | undefined> {
    const file = await this.file(shard)
    const rows = await file.blockOf(row)
    const block = await this.block(file, rows)
    const image = block[row - rows.start]
    // A view would keep, or whoever transfers it take away, all that was decoded with it.
    return image === undefined ? undefined : Uint8Array.from(image)
  }

  private async file(shard: Shard): Promise<ParquetFile> {
    const id = JSON.stringify([shard.name, shard.etag])
    let file = this.files.get(id)
    if (file === undefined) {
      file = ParquetFile.open(this.place, shard)
      this.files.set(id, file)
      file.catch(() => this.files.delete(id))
    }
    return file
  }

  private async block(file: ParquetFile, rows: Rows): Promise<Block> {
    const id = JSON.stringify([file.shard.name, file.shard.etag, rows.start])
    const failure = this.failed.get(id)
    if (failure !== undefined) throw failure
    const kept = this.blocks.get(id)
    if (kept !== undefined) return kept.block
    let load = this.loads.get(id)
    if (load === undefined) {
      load = this.load(id, file, rows).finally(() => this.loads.delete(id))
      this.loads.set(id, load)
    }
    return load
  }

  private async load(id: string, file: ParquetFile, rows: Rows): Promise<Block> {
    while (this.running >= loadsAtOnce) await new Promise<void>(resolve => this.waiting.push(resolve))
    this.running++
    try {
      const block = await file.imagesOf(rows)
      this.blocks.set(id, { block })
      return block
    } catch (error) {
      if (error instanceof LayermillError && error.code === 'IMAGE_UNREADABLE') this.failed.set(id, error)
      throw error
    } finally {
      this.running--
      this.waiting.shift()?.()
    }
  }
}
