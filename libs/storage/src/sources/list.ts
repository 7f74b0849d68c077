import { errorMessage, LayermillError } from '@layermill/core'
import { isAbsent } from '../files/file-errors.js'
import { mapOrdered } from '../prefetch.js'
import { Bucket } from '../s3/bucket.js'
import { s3Client, type SourceAccess } from '../s3/client.js'
import { refuseDuplicates } from './duplicates.js'
import { LeftOut } from './left-out.js'
import { type ListEntry, listEntries, type ListFacts, listFacts, type ListFormat } from './list-format.js'
import { isElsewhere, keyOfEntry, type ListBase, placeOfKey } from './list-keys.js'
import { readImage, statImage } from './local.js'
import { ObjectReader } from './object-reader.js'
import { statObject } from './objects.js'
import { emptySource, folderLabel, type ImageSource, type LabelRule, type SourceItem } from './source.js'

const statsAtOnce = 32
/** Entries among which a probe looks for an image that can be read. */
const others = 1000
/** Names of splits that an error can tell. */
const mostSplits = 10

/** Whether a list may name this image elsewhere, a path or s3:// URL; undefined where it may name all. */
export type ListRule = ((place: string) => boolean) | undefined

/** A list file: what it is, and how to read it from its start, as often as asked. */
export interface ListFile {
  /** For people. */
  readonly url: string
  readonly format: ListFormat
  readonly base: ListBase
  open(): Promise<{ chunks: AsyncIterable<Uint8Array>; bytes: number }>
  close(): Promise<void>
}

export interface ListOptions {
  readonly labels: LabelRule
  readonly allows?: ListRule
  readonly access?: SourceAccess | undefined
  /** Only rows whose `split` column says so. */
  readonly split?: string | undefined
  /** Columns that labels are in. */
  readonly labelColumns?: readonly string[] | undefined
}

/** Findings of the first reading of a whole list. */
interface Checked extends ListFacts {
  /** Labels are whole numbers, some of them written as `1.0`, as pandas writes a column that lacks some: they are the same classes. */
  readonly wholeLabels: boolean
}

/**
 * The images a list file names, in its order. The first listing reads the list once more beforehand: faulty lines and images named twice
 * are refused before any work is done. Images that are not there are listed, with an empty etag, and fail when they are read.
 */
export class ListSource implements ImageSource {
  readonly url: string
  readonly kind = 'list'
  private checked: Promise<Checked> | undefined
  private readonly readers = new Map<string, ObjectReader>()

  constructor(
    private readonly list: ListFile,
    private readonly options: ListOptions,
  ) {
    this.url = list.url
  }

  async *items({ after, leftOut = new LeftOut() }: { after?: string; leftOut?: LeftOut } = {}): AsyncGenerator<SourceItem> {
    this.checked ??= this.check()
    const wanted = this.keys(after, await this.checked, leftOut)
    yield* mapOrdered(wanted, statsAtOnce, async ({ key, label }) => ({ key, ...(await this.look(key)), label }))
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    const place = placeOfKey(item.key, this.list.base)
    return place.kind === 'local' ? readImage(place.path, item.etag) : this.reader(place.bucket).read(place.key, item.etag)
  }

  async reachable(): Promise<void> {
    try {
      const { chunks } = await this.list.open()
      // The file is opened by the first reading.
      for await (const chunk of chunks) if (chunk.byteLength > 0) return
    } catch (error) {
      if (error instanceof LayermillError) throw error
      throw new LayermillError(
        isAbsent(error) ? 'SOURCE_MISSING' : 'SOURCE_DENIED',
        `cannot read ${this.url} here: ${errorMessage(error)}`,
        { cause: error },
      )
    }
  }

  async close(): Promise<void> {
    for (const { bucket } of this.readers.values()) bucket.client.destroy()
    await this.list.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async check(): Promise<Checked> {
    const facts = await this.facts()
    const { bytes } = await this.list.open()
    const { split } = this.options
    const splits = new Set<string>()
    let any = false
    let [whole, written] = [true, false]
    const read = async function* (source: ListSource): AsyncGenerator<{ key: string; line: number }> {
      for await (const entry of source.entries(facts)) {
        if (entry.split !== undefined && splits.size < mostSplits) splits.add(entry.split)
        if (split !== undefined && entry.split !== split) continue
        any = true
        if (entry.label !== undefined) {
          whole &&= /^-?\d{1,15}(\.0+)?$/.test(entry.label)
          written ||= entry.label.includes('.')
        }
        yield { key: entry.key, line: entry.line }
      }
    }
    await refuseDuplicates(() => read(this), bytes, this.url)
    if (any) return { ...facts, wholeLabels: whole && written }
    if (split === undefined) throw emptySource(this.url, new LeftOut())
    throw new LayermillError(
      'SOURCE_EMPTY',
      `${this.url} has no row of the split ${JSON.stringify(split)}; ${splits.size === 0 ? 'it has no split column' : `its splits are ${[...splits].join(', ')}`}`,
    )
  }

  private async facts(): Promise<ListFacts> {
    return listFacts(this.list.format, (await this.list.open()).chunks, this.url)
  }

  /** Entries with their keys. */
  private async *entries(facts: ListFacts): AsyncGenerator<ListEntry & { key: string }> {
    const { chunks } = await this.list.open()
    for await (const entry of listEntries(this.list.format, chunks, this.url, facts, this.options.labelColumns)) {
      yield { ...entry, key: this.keyOf(entry) }
    }
  }

  private keyOf(entry: ListEntry): string {
    try {
      const key = keyOfEntry(entry.path, this.list.base)
      if (this.options.allows !== undefined && isElsewhere(key)) this.refuse(key, entry)
      return key
    } catch (error) {
      if (!(error instanceof LayermillError) || error.code === 'PLACE_REFUSED') throw error
      throw new LayermillError('LIST_INVALID', `${this.url}:${entry.line}: ${error.message}`, { hint: error.hint, cause: error })
    }
  }

  private refuse(key: string, entry: ListEntry): void {
    const place = placeOfKey(key, this.list.base)
    const text = place.kind === 'local' ? place.path : `s3://${place.bucket}/${place.key}`
    if (this.options.allows?.(text) === false)
      throw new LayermillError('PLACE_REFUSED', `${this.url}:${entry.line}: ${text} is not below a place that this server allows`)
  }

  private async *keys(
    after: string | undefined,
    checked: Checked,
    leftOut: LeftOut,
  ): AsyncGenerator<{ key: string; label: string | undefined }> {
    const { split } = this.options
    let reached = after === undefined
    for await (const entry of this.entries(checked)) {
      if (split !== undefined && entry.split !== split) leftOut.pass('of another split')
      else if (reached) yield { key: entry.key, label: this.label(entry, checked) }
      else reached = entry.key === after
    }
    if (!reached) {
      throw new LayermillError('SOURCE_CHANGED', `${this.url} no longer names ${JSON.stringify(after)}, where the listing is to go on`, {
        hint: 'Restore the list as it was, or start anew with --overwrite or another --out.',
      })
    }
  }

  private label({ key, label }: { key: string; label?: string }, { wholeLabels }: Checked): string | undefined {
    if (this.options.labels === 'none') return undefined
    if (this.options.labels === 'folder') return folderLabel(key)
    return wholeLabels && label !== undefined ? String(Number(label)) : label
  }

  private async look(key: string): Promise<{ bytes: number; etag: string }> {
    const place = placeOfKey(key, this.list.base)
    const found = place.kind === 'local' ? await statImage(place.path) : await this.lookAtObject(place.bucket, place.key)
    return found ?? { bytes: 0, etag: '' }
  }

  /** An object's size and version; undefined where it is kept back, which is for its reading to judge. */
  private async lookAtObject(bucket: string, key: string): Promise<{ bytes: number; etag: string } | undefined> {
    try {
      return await statObject(this.reader(bucket).bucket, key)
    } catch (error) {
      if (error instanceof LayermillError && ['SOURCE_DENIED', 'STORE_FAILED'].includes(error.code)) return undefined
      throw error
    }
  }

  private reader(name: string): ObjectReader {
    let reader = this.readers.get(name)
    if (reader === undefined) {
      reader = new ObjectReader(new Bucket(s3Client({ access: this.options.access }), name), () => this.others(name))
      this.readers.set(name, reader)
    }
    return reader
  }

  /** The first images that the list names in a bucket. */
  private async others(bucket: string): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.entries(await this.facts())) {
      const place = placeOfKey(key, this.list.base)
      if (place.kind === 's3' && place.bucket === bucket) keys.push(place.key)
      if (keys.length === others) break
    }
    return keys
  }
}
