import { LayermillError } from '@layermill/core'
import { commitPath, indexPath, manifestPath, partOfPath } from '@layermill/contracts'
import type { Store } from '../store.js'
import { type CommitRecord, parseCommit } from './commit.js'
import { type IndexRow, parseIndex } from './index-rows.js'
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
  const path = indexPath(part)
  const bytes = await store.get(path)
  if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
  return parseIndex(bytes, `${store.url}/${path}`)
}

/** The parts that have a file below a folder of the layout (`commits/`, `errors/`), as the store lists them: by their paths. */
export async function* listParts(store: Store, folder: string): AsyncGenerator<{ part: number; key: string }> {
  for await (const { key } of store.list(folder)) {
    const part = partOfPath(key)
    if (part !== undefined) yield { part, key }
  }
}
