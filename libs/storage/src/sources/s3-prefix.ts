import { LayermillError } from '@layermill/models'
import picomatch from 'picomatch'
import { checkKey } from '../keys.js'
import type { Bucket } from '../s3/bucket.js'
import { listFoldersAhead } from '../s3/parallel-list.js'
import { ObjectReader } from './object-reader.js'
import { sourceError } from './objects.js'
import { folderLabel, type ImageSource, isImageName, type LabelRule, notEmpty, Skipped, type SourceItem } from './source.js'

/** The images below a bucket's prefix, and in all its folders; hidden names are left out. A pattern narrows them, as a glob does. */
export class S3Source implements ImageSource {
  readonly url: string
  readonly kind = 's3'
  private readonly matches: (key: string) => boolean
  private readonly reader: ObjectReader

  /**
   * @param root the part of the keys that is left out: '' or ending with '/'
   * @param pattern a glob over the rest of the keys
   */
  constructor(private readonly bucket: Bucket, private readonly root: string, private readonly labels: LabelRule, pattern?: string) {
    this.url = bucket.url(root + (pattern ?? ''))
    this.reader = new ObjectReader(bucket, denied => this.others(denied))
    this.matches = pattern === undefined ? () => true : picomatch(pattern)
  }

  items(options: { after?: string } = {}): AsyncIterable<SourceItem> {
    const skipped = new Skipped()
    const items = this.list(options.after, skipped)
    return options.after === undefined ? notEmpty(items, this.url, skipped) : items
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    return this.reader.read(this.root + item.key, item.etag)
  }

  async reachable(): Promise<void> {
    try {
      for await (const object of listFoldersAhead(this.bucket, this.root)) if (object.key !== this.root) return
    } catch (error) {
      throw sourceError(error)
    }
    throw new LayermillError('SOURCE_MISSING', `nothing is at ${this.bucket.url(this.root)}`)
  }

  async close(): Promise<void> {
    this.bucket.client.destroy()
  }

  private async *list(after: string | undefined, skipped: Skipped): AsyncGenerator<SourceItem> {
    try {
      const byFolder = this.labels === 'folder' || (this.labels === 'auto' && !(await this.bucket.holdsDirectly(this.root, isImageName)))
      for await (const object of listFoldersAhead(this.bucket, this.root, after === undefined ? undefined : this.root + after)) {
        const key = object.key.slice(this.root.length)
        if (!this.accept(key, skipped)) continue
        yield { key, etag: object.etag, bytes: object.bytes, label: byFolder ? folderLabel(key) : undefined }
      }
    } catch (error) {
      throw sourceError(error)
    }
  }

  /** Images of the first page, and of the one behind a key. */
  private async others(key: string): Promise<string[]> {
    const pages = [await this.bucket.firstPage(this.root), await this.bucket.firstPage(this.root, key)]
    return [...new Set(pages.flat())].filter(other => isImageName(other))
  }

  private accept(key: string, skipped: Skipped): boolean {
    // An object whose key ends with '/' is how consoles mark an empty folder.
    if (key === '' || key.endsWith('/')) return false
    if (/(^|\/)\.[^./]/.test(key)) skipped.add('hidden')
    else if (!isImageName(key)) skipped.addFile(key)
    else if (/(^|\/)(\.{0,2})(\/|$)/.test(key) || key.includes('\0')) skipped.add("with '.', '..' or an empty part in the key")
    else if (!this.matches(key)) skipped.add('images that the pattern does not match')
    else return true
    return false
  }
}
