import { LayermillError } from '@layermill/core'
import { commitPath, indexPath, manifestPath, partOfPath } from '@layermill/contracts'
import type { Store } from '../store.js'
import { type CommitRecord, parseCommit } from './commit.js'
import { countIndexRows, type IndexRow, parseIndex } from './index-rows.js'
import { type ManifestRow, parseManifest } from './rows.js'

/**
 * A part's commit record, or undefined where it has none: the part does not exist then.
 * @throws LayermillError `RECORD_INVALID`, and what the store throws
 */
export async function readCommit(store: Store, part: number): Promise<CommitRecord | undefined> {
  const path = commitPath(part)
  const bytes = await store.get(path)
  return bytes === undefined ? undefined : parseCommit(bytes, `${store.url}/${path}`)
}

/**
 * The images of a part.
 * @throws LayermillError `MANIFEST_MISSING`, `RECORD_INVALID`, and what the store throws
 */
export async function readManifest(store: Store, part: number): Promise<ManifestRow[]> {
  const path = manifestPath(part)
  const bytes = await store.get(path)
  if (bytes === undefined) throw new LayermillError('MANIFEST_MISSING', `${store.url}/${path} does not exist`)
  return parseManifest(bytes, `${store.url}/${path}`)
}

/**
 * Which images the rows of a part's features are, in the order of the rows.
 * @throws LayermillError `FILE_MISSING`, `RECORD_INVALID`, and what the store throws
 */
export async function readIndex(store: Store, part: number): Promise<IndexRow[]> {
  return (await openIndex(store, part)).rows()
}

/** Index of a part, whose rows are made when they are first asked for. */
export interface PartIndex {
  readonly length: number
  /** @throws LayermillError `RECORD_INVALID` where the file is not an index */
  rows(): Promise<IndexRow[]>
}

/**
 * The index of a part, read and its rows counted.
 * @throws LayermillError `FILE_MISSING`, `RECORD_INVALID` where the file is no Parquet file, and what the store throws
 */
export async function openIndex(store: Store, part: number): Promise<PartIndex> {
  const path = indexPath(part)
  const bytes = await store.get(path)
  if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
  const name = `${store.url}/${path}`
  let rows: Promise<IndexRow[]> | undefined
  return { length: countIndexRows(bytes, name), rows: () => (rows ??= parseIndex(bytes, name)) }
}

/** The parts that have a file below a folder of the layout (`commits/`, `errors/`), as the store lists them: by their paths. */
export async function* listParts(store: Store, folder: string): AsyncGenerator<{ part: number; key: string }> {
  for await (const { key } of store.list(folder)) {
    const part = partOfPath(key)
    if (part !== undefined) yield { part, key }
  }
}
