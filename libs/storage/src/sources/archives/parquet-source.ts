import { LayermillError } from '@layermill/core'
import { checkKey } from '../../keys.js'
import { mapOrdered } from '../../prefetch.js'
import { changedImage } from '../local.js'
import { LeftOut } from '../left-out.js'
import { folderLabel, type ImageSource, type LabelRule, notEmpty, type SourceItem } from '../source.js'
import { ParquetBlocks } from './parquet-blocks.js'
import { ParquetFile, type RowGroup, type RowName, type RowsWanted } from './parquet-file.js'
import { safeName } from './safe-name.js'
import { type Shard, type ShardPlace, whileListing } from './shards.js'

const groupsAtOnce = 4
const longestName = 512

/**
 * The images in a column of Parquet files: keys are `FILE.parquet/row-N/NAME`, rows counted from 0 in each file, in the order of the files'
 * names and of their rows. A row without an image is listed, and fails when it is read.
 */
export class ParquetSource implements ImageSource {
  readonly url: string
  readonly kind = 'parquet'
  private readonly blocks: ParquetBlocks
  /** Files as they were when first asked for: what is read is checked against the version that was listed. */
  private readonly sizes = new Map<string, Promise<Shard | undefined>>()
  /** The classes' names in the order that all files seen so far state; `none` where one states none, or another. */
  private order: readonly string[] | 'none' | undefined

  constructor(
    private readonly place: ShardPlace,
    private readonly labels: LabelRule,
    private readonly wanted: RowsWanted = {},
  ) {
    this.url = place.url
    this.blocks = new ParquetBlocks(place)
  }

  items({ after, leftOut = new LeftOut() }: { after?: string; leftOut?: LeftOut } = {}): AsyncIterable<SourceItem> {
    const items = this.list(after, leftOut)
    return after === undefined ? notEmpty(items, this.url, leftOut) : items
  }

  get classes(): readonly string[] | undefined {
    return this.order === 'none' ? undefined : this.order
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    const place = placeOfKey(item.key)
    if (place === undefined) throw missing(item.key, this.url)
    const shard = await this.shard(place.name, item.etag)
    if (shard === undefined) throw missing(item.key, this.url)
    if (item.etag !== undefined && shard.etag !== item.etag) throw changedImage(place.name)
    const image = await this.blocks.image(shard, place.row)
    if (image === undefined) throw new LayermillError('IMAGE_MISSING', `${item.key}: the row has no image`)
    return image
  }

  async close(): Promise<void> {
    await this.place.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The file as it is; where it is known in the version asked for, nothing is asked. */
  private async shard(name: string, etag: string | undefined): Promise<Shard | undefined> {
    const known = await this.sizes.get(name)
    if (known !== undefined && known.etag === etag) return known
    const found = this.place.stat(name)
    this.sizes.set(name, found)
    found.catch(() => this.sizes.delete(name))
    return found
  }

  private async *list(after: string | undefined, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    this.order = undefined
    const last = after === undefined ? undefined : placeOfKey(after)
    let reached = after === undefined
    for (const shard of await this.place.list()) {
      if (!reached && shard.name !== last?.name) continue
      const file = await whileListing(async () => ParquetFile.open(this.place, shard, this.wanted))
      this.noteOrder(file.classes)
      if (!reached && last!.row >= file.rows) break
      const from = reached ? 0 : last!.row + 1
      reached = true
      yield* this.rows(file, from, leftOut)
    }
    if (!reached)
      throw new LayermillError('SOURCE_CHANGED', `${this.url} no longer holds ${JSON.stringify(after)}, where the listing is to go on`)
  }

  private async *rows(file: ParquetFile, from: number, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    const groups = streamOf(file.groups.filter(({ end }) => end > from))
    const named = mapOrdered(groups, groupsAtOnce, async group => ({ group, names: await whileListing(async () => file.namesOf(group)) }))
    for await (const { group, names } of named) {
      for (const [i, name] of names.entries()) {
        if (group.start + i < from) continue
        if (this.wanted.split !== undefined && name.split !== this.wanted.split) leftOut.pass('of another split')
        else yield this.item(file.shard, group, group.start + i, name)
      }
    }
  }

  private noteOrder(classes: readonly string[] | undefined): void {
    const isSame = this.order === undefined || JSON.stringify(this.order) === JSON.stringify(classes)
    this.order = classes === undefined || !isSame ? 'none' : classes
  }

  private item({ name: shard, etag }: Shard, group: RowGroup, row: number, { name, label: own }: RowName): SourceItem {
    const safe = nameInKey(name)
    const key = safe === '' ? `${shard}/row-${row}` : `${shard}/row-${row}/${safe}`
    checkKey(key, this.url)
    const bytes = Math.round(group.imageBytes / (group.end - group.start))
    const label = this.labels === 'none' ? undefined : (own ?? (this.labels === 'folder' ? folderLabel(safe) : undefined))
    return label === undefined ? { key, etag, bytes } : { key, etag, bytes, label }
  }
}

/** A column's text as part of a key: what no key may hold is `_`, and of what is too long the end is kept. */
function nameInKey(name: string): string {
  const end = name.length > longestName ? name.slice(-longestName) : name
  return safeName(end.replaceAll(/[\0\p{Surrogate}]/gu, '_'))
}

/** The file and row of a key. */
function placeOfKey(key: string): { name: string; row: number } | undefined {
  const [, name, row] = /^(.+?\.parquet)\/row-(\d{1,15})(?:\/|$)/is.exec(key) ?? []
  return name === undefined ? undefined : { name, row: Number(row) }
}

function missing(key: string, url: string): LayermillError {
  return new LayermillError('IMAGE_MISSING', `${key} is not in ${url}`)
}

async function* streamOf<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}
