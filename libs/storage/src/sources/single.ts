import { basename } from 'node:path'
import { LayermillError } from '@layermill/core'
import type { ImageSource, SourceItem } from './source.js'

/** Place of one image, and access to it. */
export interface SingleImage {
  readonly url: string
  /** Path or key; its last part is the item's key. */
  readonly name: string
  stat(): Promise<{ bytes: number; etag: string } | undefined>
  read(etag: string | undefined): Promise<Uint8Array>
  close(): Promise<void>
}

/** A source of one image; its key is the file's name. */
export class SingleSource implements ImageSource {
  readonly url: string
  readonly kind = 'image'
  private readonly key: string

  constructor(private readonly image: SingleImage) {
    this.url = image.url
    this.key = basename(image.name)
  }

  async *items(options: { after?: string } = {}): AsyncGenerator<SourceItem> {
    if (options.after === this.key) return
    const found = await this.image.stat()
    if (found === undefined) throw new LayermillError('SOURCE_MISSING', `${this.url} does not exist`)
    yield { key: this.key, etag: found.etag, bytes: found.bytes }
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    if (item.key !== this.key) throw new LayermillError('IMAGE_MISSING', `${item.key} is not in ${this.url}`)
    return this.image.read(item.etag)
  }

  async close(): Promise<void> {
    await this.image.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
