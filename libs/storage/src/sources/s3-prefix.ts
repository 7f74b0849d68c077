import { errorCode, LayermillError } from '@layermill/core'
import { checkKey } from '../keys.js'
import { mapOrdered } from '../prefetch.js'
import { keyPartOfText, textOfKey } from '../raw-names.js'
import type { Bucket, S3Object } from '../s3/bucket.js'
import { listFoldersAhead } from '../s3/parallel-list.js'
import { Glob } from './glob.js'
import { beginsAsImage, extensionOf, isImageName, isSystemName, magicBytes, reasonOf } from './image-files.js'
import { LeftOut } from './left-out.js'
import { ObjectReader } from './object-reader.js'
import { readObject, sourceError } from './objects.js'
import { folderLabel, type ImageSource, type LabelRule, notEmpty, type SourceItem } from './source.js'

/** Objects without extension that are looked at ahead. */
const looksAtOnce = 32

/**
 * The images below a bucket's prefix, and in all its folders; hidden names are left out. A pattern narrows them, as a glob does. An
 * object's key is any text: parts that no path can have ('', '.', '..') are written as `raw-names.ts` says. An object whose key has no
 * extension is an image where it begins as one.
 */
export class S3Source implements ImageSource {
  readonly url: string
  readonly kind = 's3'
  private readonly glob: Glob | undefined
  private readonly reader: ObjectReader

  /**
   * @param root the part of the keys that is left out: '' or ending with '/'
   * @param pattern a glob over the rest of the keys
   */
  constructor(
    private readonly bucket: Bucket,
    private readonly root: string,
    private readonly labels: LabelRule,
    pattern?: string,
  ) {
    this.url = bucket.url(root + (pattern ?? ''))
    this.reader = new ObjectReader(bucket, denied => this.others(denied))
    this.glob = pattern === undefined ? undefined : new Glob(pattern)
  }

  items({ after, leftOut = new LeftOut() }: { after?: string; leftOut?: LeftOut } = {}): AsyncIterable<SourceItem> {
    const items = this.list(after, leftOut)
    return after === undefined ? notEmpty(items, this.url, leftOut) : items
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    return this.reader.read(this.root + textOfKey(item.key), item.etag)
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async *list(after: string | undefined, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    try {
      const byFolder = this.labels === 'folder' || (this.labels === 'auto' && !(await this.bucket.holdsDirectly(this.root, isImageName)))
      const objects = this.accepted(
        listFoldersAhead(this.bucket, this.root, after === undefined ? undefined : this.root + textOfKey(after)),
        leftOut,
      )
      for await (const { object, isImage } of mapOrdered(objects, looksAtOnce, async object => ({
        object,
        isImage: await this.isImage(object),
      }))) {
        const name = object.key.slice(this.root.length)
        const key = itemKey(name)
        if (isImage) yield { key, etag: object.etag, bytes: object.bytes, label: byFolder ? folderLabel(key) : undefined }
        else leftOut.add(reasonOf(name), name)
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

  private async *accepted(objects: AsyncIterable<S3Object>, leftOut: LeftOut): AsyncGenerator<S3Object> {
    for await (const object of objects) if (this.accept(object.key.slice(this.root.length), leftOut)) yield object
  }

  /** Decides by the key alone; objects without extension are looked at later. */
  private accept(key: string, leftOut: LeftOut): boolean {
    // An object whose key ends with '/' is how consoles mark an empty folder.
    if (key === '' || key.endsWith('/')) return false
    const parts = key.split('/')
    const matches = this.glob?.matches(itemKey(key)) !== false
    if (parts.some(isSystemName)) leftOut.add('files and folders of the system', key, true)
    else if (parts.some(part => /^\.[^.]/.test(part))) leftOut.add('hidden', key)
    else if (!matches) leftOut.pass(isImageName(key) ? 'images that the pattern does not match' : reasonOf(key))
    else if (!isImageName(key) && extensionOf(key) !== '') leftOut.add(reasonOf(key), key)
    else return true
    return false
  }

  private async isImage({ key, etag, bytes }: S3Object): Promise<boolean> {
    if (extensionOf(key) !== '') return true
    try {
      return bytes > 0 && beginsAsImage(await readObject(this.bucket, key, etag, `bytes=0-${magicBytes - 1}`))
    } catch (error) {
      // An object that has changed, is gone or may not be read is told of when it is read as an image.
      if (['IMAGE_MISSING', 'IMAGE_CHANGED', 'SOURCE_DENIED'].includes(errorCode(error))) return true
      throw error
    }
  }
}

/** An object's key below the root as the key of an image. */
const itemKey = (name: string): string => name.split('/').map(keyPartOfText).join('/')
