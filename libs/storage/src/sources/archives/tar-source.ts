import { LayermillError } from '@layermill/models'
import { checkKey } from '../../keys.js'
import { folderLabel, type ImageSource, isImageName, type LabelRule, notEmpty, Skipped, type SourceItem } from '../source.js'
import { safeName } from './safe-name.js'
import { type Shard, type ShardPlace, shardOfKey } from './shards.js'
import { TarReader } from './tar-entries.js'

/** Bytes of a label file that are read. */
const LONGEST_LABEL = 64 * 1024

/** The images in tar archives (WebDataset shards): keys are `SHARD.tar/NAME`, in the order of the shards' names and of their members. */
export class TarSource implements ImageSource {
  readonly url: string
  readonly kind = 'tar'

  constructor(private readonly place: ShardPlace, private readonly labels: LabelRule) {
    this.url = place.url
  }

  items(options: { after?: string } = {}): AsyncIterable<SourceItem> {
    const skipped = new Skipped()
    const items = this.list(options.after, skipped)
    return options.after === undefined ? notEmpty(items, this.url, skipped) : items
  }

  async read(item: Pick<SourceItem, 'key' | 'at'> & { etag?: string; bytes?: number }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    const { key, at, bytes, etag } = at0(item) ? item : await this.find(item.key)
    if (at === undefined || bytes === undefined || etag === undefined) throw new LayermillError('IMAGE_MISSING', `${key} is not in ${this.url}`)
    return bytes === 0 ? new Uint8Array() : this.place.range({ name: at.shard, etag }, at.offset, at.offset + bytes)
  }

  async close(): Promise<void> {
    await this.place.close()
  }

  /** Where only a key is known, its archive is looked through. */
  private async find(key: string): Promise<SourceItem> {
    for await (const item of this.images(await shardOfKey(this.place, key), new Skipped())) if (item.key === key) return item
    throw new LayermillError('IMAGE_MISSING', `${key} is not in ${this.url}`)
  }

  private async *list(after: string | undefined, skipped: Skipped): AsyncGenerator<SourceItem> {
    let reached = after === undefined
    for (const shard of await this.place.list()) {
      if (!reached && !after!.startsWith(`${shard.name}/`)) continue
      for await (const item of this.images(shard, skipped)) {
        if (reached) yield item
        else reached = item.key === after
      }
    }
    if (!reached) throw new LayermillError('SOURCE_CHANGED', `${this.url} no longer holds ${JSON.stringify(after)}, where the listing is to go on`)
  }

  /** An archive's images; those of one sample (names equal up to the first dot) wait for its label. */
  private async *images(shard: Shard, skipped: Skipped): AsyncGenerator<SourceItem> {
    const reader = new TarReader(this.place, shard)
    const seen = new Set<string>()
    let sample: { base: string; label?: string; items: SourceItem[] } = { base: '', items: [] }
    const labelled = (): SourceItem[] => sample.items.map((item) => withLabel(item, this.labels, sample.label))
    for await (const { name, offset, bytes, isFile } of reader.entries()) {
      const path = safeName(name)
      const base = /^(.*\/)?[^/.]*/.exec(path)![0]
      if (base !== sample.base) {
        yield* labelled()
        sample = { base, items: [] }
      }
      if (!isFile) skipped.add('links, folders and sparse files')
      else if (/(^|\/)\./.test(path)) skipped.add('hidden')
      else if (/\.(cls|json)$/i.test(path) && bytes <= LONGEST_LABEL) {
        sample.label = labelOf(path, await reader.bytes(offset, offset + bytes)) ?? sample.label
      } else if (!isImageName(path)) skipped.addFile(path)
      else {
        const key = `${shard.name}/${path}`
        checkKey(key, this.url)
        if (seen.has(path)) throw reader.invalid(offset, `a second member named ${JSON.stringify(path)}`)
        seen.add(path)
        sample.items.push({ key, etag: shard.etag, bytes, at: { shard: shard.name, offset } })
      }
    }
    yield* labelled()
  }
}

const at0 = (item: { at?: unknown; etag?: string; bytes?: number }): item is SourceItem => item.at !== undefined && item.bytes !== undefined && item.etag !== undefined

function withLabel(item: SourceItem, rule: LabelRule, own: string | undefined): SourceItem {
  const name = item.key.slice((item.at?.shard.length ?? -1) + 1)
  const label = rule === 'none' ? undefined : (own ?? (rule === 'folder' ? folderLabel(name) : undefined))
  return label === undefined ? item : { ...item, label }
}

function labelOf(path: string, bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes).trim()
  if (/\.cls$/i.test(path)) return text === '' ? undefined : text
  try {
    const { label, cls } = JSON.parse(text) as { label?: unknown; cls?: unknown }
    const found = label ?? cls
    return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined
  } catch {
    return undefined
  }
}
