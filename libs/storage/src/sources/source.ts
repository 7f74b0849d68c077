import { LayermillError } from '@layermill/core'
import { imageExtensions } from './image-files.js'
import type { LeftOut } from './left-out.js'

/** One image of a dataset. */
export interface SourceItem {
  /**
   * Relative to the source's root, '/' between parts, never absolute, without '..': usable as the name of an output. Unique in a source.
   */
  readonly key: string
  /** The version that was listed; '' where a list names an image that is not there. */
  readonly etag: string
  /** Of the image; in a parquet file the average of its row group. */
  readonly bytes: number
  readonly label?: string
  /** In which archive, and where in it, where the image is part of one. */
  readonly at?: { readonly shard: string; readonly offset: number }
}

/** A dataset of images: where they are, in which order, and their bytes. */
export interface ImageSource extends AsyncDisposable {
  /** The source for people and run.json; never with credentials. */
  readonly url: string
  readonly kind: 'folder' | 'glob' | 'list' | 'image' | 's3' | 'tar' | 'parquet'
  /**
   * The images as a stream, in an order that does not change: by the UTF-8 bytes of the key (folders, globs; in S3 of the object's key) or
   * as listed (list files). `after` goes on behind that key, without looking at what is before it. `leftOut` is told of what is met and not
   * taken.
   *
   * @throws LayermillError `SOURCE_EMPTY` (says what was left out), `SOURCE_DENIED`, `SOURCE_UNREACHABLE`, `LIST_INVALID`,
   *   `LIST_DUPLICATE`, `SOURCE_CHANGED` (a list no longer holds `after`)
   */
  items(options?: { after?: string; leftOut?: LeftOut }): AsyncIterable<SourceItem>
  /**
   * The names of the dataset's classes in its own order (a Hugging Face `ClassLabel` in a Parquet file), of which the labels are some;
   * undefined where it has none. Known once `items` has been read to its end.
   */
  readonly classes?: readonly string[] | undefined
  /**
   * An image's bytes, read once.
   *
   * @throws LayermillError `IMAGE_MISSING`, `IMAGE_CHANGED` (its etag is not the listed one any more, where one is given),
   *   `IMAGE_UNREADABLE`, and for the network's sake `SOURCE_UNREACHABLE`, which is worth another try later
   */
  read(item: { key: string; etag?: string; bytes?: number; at?: SourceItem['at'] }): Promise<Uint8Array>
  /**
   * Whether the whole of it can be reached from here, as it could when it was listed: an image that is missing says nothing then about the
   * rest.
   *
   * @throws LayermillError `SOURCE_MISSING` (also where the folder or prefix is empty, as one is that is not mounted), `SOURCE_DENIED`,
   *   `SOURCE_UNREACHABLE`
   */
  reachable?(): Promise<void>
  close(): Promise<void>
}

/**
 * Origin of an image's label: `folder` is the name of the first folder of its key; `auto` is the label column of a list and, for
 * folders, the folder where no image lies directly in the root; `none` leaves labels out.
 */
export type LabelRule = 'folder' | 'none' | 'auto'

/** The first folder of a key, undefined for a key without one. */
export function folderLabel(key: string): string | undefined {
  const end = key.indexOf('/')
  return end < 0 ? undefined : key.slice(0, end)
}

export function emptySource(url: string, leftOut: LeftOut): LayermillError {
  const archives = ['tar', 'parquet'].find(kind => leftOut.count(`.${kind}`) > 0)
  const pattern = archives === undefined ? '' : `Archives are named by a pattern, in quotes: '${url.replace(/\/+$/, '')}/*.${archives}'. `
  return new LayermillError('SOURCE_EMPTY', `no images in ${url}: ${leftOut.toString()}`, {
    hint: `${pattern}Images are recognised by their extension: ${imageExtensions().join(', ')}. A list file can name files of any extension.`,
  })
}

/** Passes a stream on and throws `SOURCE_EMPTY` where it holds nothing. */
export async function* notEmpty(items: AsyncIterable<SourceItem>, url: string, leftOut: LeftOut): AsyncGenerator<SourceItem> {
  let any = false
  for await (const item of items) {
    any = true
    yield item
  }
  if (!any) throw emptySource(url, leftOut)
}
