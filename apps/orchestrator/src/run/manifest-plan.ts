import { encodeManifest, type ImageSource, listParts, manifestPath, type ManifestRow, mapOrdered, readManifest, type Store } from '@layermill/storage'
import type { PlannedJob } from './part-tracker.js'
import { cutParts } from './plan-parts.js'

export async function writeManifest(store: Store, part: number, rows: readonly ManifestRow[]): Promise<void> {
  await store.put(manifestPath(part), encodeManifest(rows), { contentType: 'application/x-ndjson' })
}

/** Numbers of the manifest's parts, in order. */
export async function manifestParts(store: Store): Promise<number[]> {
  const parts: number[] = []
  for await (const { part } of listParts(store, 'manifest/part-')) parts.push(part)
  return parts.sort((a, b) => a - b)
}

/** Writes a part's rows where it has none yet; gives those that are there then, the same array where they are these. */
async function writeOnce(store: Store, part: number, rows: readonly ManifestRow[]): Promise<readonly ManifestRow[]> {
  const bytes = encodeManifest(rows)
  if (await store.put(manifestPath(part), bytes, { contentType: 'application/x-ndjson', ifAbsent: true })) return rows
  const stored = await store.get(manifestPath(part))
  return stored !== undefined && Buffer.from(stored).equals(Buffer.from(bytes)) ? rows : readManifest(store, part)
}

/** Manifest parts read ahead when a run is taken up again. */
const readAtOnce = 8

/**
 * The parts of a dataset: those in the manifest already, then the listing from where the manifest ends, written part by part as it comes.
 * The rows of a few parts in memory at most. `complete` where the manifest is known to be whole: nothing is listed then. A part that
 * another orchestrator has written meanwhile stays as it is, and the listing goes on behind it.
 */
export async function* planManifest(store: Store, source: ImageSource, partSize: number, complete: boolean): AsyncGenerator<PlannedJob> {
  let next = 0
  let last: string | undefined
  const known = mapOrdered(await manifestParts(store), readAtOnce, async part => {
    const rows = await readManifest(store, part)
    return { part, images: rows.length, lastKey: rows.at(-1)?.key }
  })
  for await (const { part, images, lastKey } of known) {
    yield { part, images }
    next = part + 1
    last = lastKey
  }
  for (let whole = complete; !whole;) {
    whole = true
    const items = source.items(last === undefined ? {} : { after: last })
    for await (const { part, rows } of cutParts(items, partSize, next)) {
      const stored = await writeOnce(store, part, rows)
      yield { part, images: stored.length }
      next = part + 1
      last = stored.at(-1)?.key
      whole = stored === rows
      if (!whole) break
    }
  }
}
