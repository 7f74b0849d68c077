import { encodeManifest, type ImageSource, manifestPath, type ManifestRow, partOfPath, readManifest, type Store } from '@layermill/storage'
import type { PlannedJob } from './part-tracker.js'
import { cutParts } from './plan-parts.js'

export async function writeManifest(store: Store, part: number, rows: readonly ManifestRow[]): Promise<void> {
  await store.put(manifestPath(part), encodeManifest(rows), { contentType: 'application/x-ndjson' })
}

/** Numbers of the manifest's parts, in order. */
export async function manifestParts(store: Store): Promise<number[]> {
  const parts: number[] = []
  for await (const { key } of store.list('manifest/part-')) {
    const part = partOfPath(key)
    if (part !== undefined) parts.push(part)
  }
  return parts.sort((a, b) => a - b)
}

/**
 * The parts of a dataset: those in the manifest already, then the listing from where the manifest ends, written part by part as it comes.
 * Never more than one part's rows in memory. `complete` where the manifest is known to be whole: nothing is listed then.
 */
export async function* planManifest(store: Store, source: ImageSource, partSize: number, complete: boolean): AsyncGenerator<PlannedJob> {
  let next = 0
  let last: string | undefined
  for (const part of await manifestParts(store)) {
    const rows = await readManifest(store, part)
    yield { part, images: rows.length }
    next = part + 1
    last = rows.at(-1)?.key
  }
  if (complete) return
  const items = source.items(last === undefined ? {} : { after: last })
  for await (const { part, rows } of cutParts(items, partSize, next)) {
    await writeManifest(store, part, rows)
    yield { part, images: rows.length }
  }
}
