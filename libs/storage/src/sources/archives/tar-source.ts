import { LayermillError } from '@layermill/core'
import { checkKey } from '../../keys.js'
import { beginsAsImage, extensionOf, isImageName, isSystemName, magicBytes, reasonOf } from '../image-files.js'
import { LeftOut } from '../left-out.js'
import { folderLabel, type ImageSource, type LabelRule, notEmpty, type SourceItem } from '../source.js'
import { safeName } from './safe-name.js'
import { type Shard, type ShardPlace, shardOfKey } from './shards.js'
import { type TarEntry, TarReader } from './tar-entries.js'

/** Bytes of a label file that are read. */
const longestLabel = 64 * 1024

/** The images in tar archives (WebDataset shards): keys are `SHARD.tar/NAME`, in the order of the shards' names and of their members. */
export class TarSource implements ImageSource {
  readonly url: string
  readonly kind = 'tar'

  constructor(
    private readonly place: ShardPlace,
    private readonly labels: LabelRule,
  ) {
    this.url = place.url
  }

  items({ after, leftOut = new LeftOut() }: { after?: string; leftOut?: LeftOut } = {}): AsyncIterable<SourceItem> {
    const items = this.list(after, leftOut)
    return after === undefined ? notEmpty(items, this.url, leftOut) : items
  }

  async read(item: Pick<SourceItem, 'key' | 'at'> & { etag?: string; bytes?: number }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    const { key, at, bytes, etag } = at0(item) ? item : await this.find(item.key)
    if (at === undefined || bytes === undefined || etag === undefined)
      throw new LayermillError('IMAGE_MISSING', `${key} is not in ${this.url}`)
    return bytes === 0 ? new Uint8Array() : this.place.range({ name: at.shard, etag }, at.offset, at.offset + bytes)
  }

  async close(): Promise<void> {
    await this.place.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Finds an image by its key alone: looks through the key's archive. */
  private async find(key: string): Promise<SourceItem> {
    for await (const item of this.images(await shardOfKey(this.place, key), new LeftOut())) if (item.key === key) return item
    throw new LayermillError('IMAGE_MISSING', `${key} is not in ${this.url}`)
  }

  private async *list(after: string | undefined, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    let reached = after === undefined
    for (const shard of await this.place.list()) {
      if (!reached && !after!.startsWith(`${shard.name}/`)) continue
      for await (const item of this.images(shard, leftOut)) {
        if (reached) yield item
        else reached = item.key === after
      }
    }
    if (!reached)
      throw new LayermillError('SOURCE_CHANGED', `${this.url} no longer holds ${JSON.stringify(after)}, where the listing is to go on`)
  }

  /** An archive's images; those of one sample (names equal up to the first dot) wait for its label. */
  private async *images(shard: Shard, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    const reader = new TarReader(this.place, shard)
    const seen = new Set<string>()
    let sample: Sample = { base: '', items: [] }
    for await (const entry of reader.entries()) {
      const { offset, bytes } = entry
      const path = safeName(entry.name)
      const base = /^(.*\/)?[^/.]*/.exec(path)![0]
      if (base !== sample.base) {
        yield* this.labelled(sample)
        sample = { base, items: [] }
      }
      if (await this.isLabel(entry, path, reader, sample)) continue
      const reason = await reasonToLeave(entry, path, reader)
      if (reason === 'folder') continue
      if (reason !== undefined) {
        leftOut.add(reason, `${shard.name}/${path}`, reason === system)
        continue
      }
      const key = `${shard.name}/${path}`
      checkKey(key, this.url)
      if (seen.has(path)) throw reader.invalid(offset, `a second member named ${JSON.stringify(path)}`)
      seen.add(path)
      sample.items.push({ key, etag: shard.etag, bytes, at: { shard: shard.name, offset } })
    }
    yield* this.labelled(sample)
  }

  /** Reads a member that says what a sample's label is; false for other members. */
  private async isLabel({ offset, bytes, isFile }: TarEntry, path: string, reader: TarReader, sample: Sample): Promise<boolean> {
    const [, kind] = /\.(cls|json)$/i.exec(path) ?? []
    if (kind === undefined || !isFile || bytes > longestLabel) return false
    const label = labelOf(path, await reader.bytes(offset, offset + bytes))
    if (kind.toLowerCase() === 'cls') sample.cls ??= label
    else sample.json ??= label
    return true
  }

  /** A sample's images. What `.cls` says comes before what `.json` says, whichever stands first. */
  private labelled({ items, cls, json }: Sample): SourceItem[] {
    return items.map(item => withLabel(item, this.labels, cls ?? json))
  }
}

/** The members of a tar whose names are equal up to the first dot. */
interface Sample {
  readonly base: string
  readonly items: SourceItem[]
  cls?: string | undefined
  json?: string | undefined
}

const system = 'files and folders of the system'

/** Why a member is not an image; undefined where it is one. */
async function reasonToLeave({ name, offset, bytes, isFile }: TarEntry, path: string, reader: TarReader): Promise<string | undefined> {
  const parts = path.split('/')
  if (parts.some(isSystemName)) return system
  if (!isFile) return name.endsWith('/') ? 'folder' : 'links, folders and sparse files'
  if (parts.some(part => part.startsWith('.'))) return 'hidden'
  if (isImageName(path)) return undefined
  if (extensionOf(path) === '' && bytes > 0 && beginsAsImage(await reader.bytes(offset, offset + Math.min(bytes, magicBytes))))
    return undefined
  return reasonOf(path)
}

const at0 = (item: { at?: unknown; etag?: string; bytes?: number }): item is SourceItem =>
  item.at !== undefined && item.bytes !== undefined && item.etag !== undefined

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
