import { type LeftOutFiles, manifestPath } from '@layermill/contracts'
import {
  encodeManifest,
  type ImageSource,
  LeftOut,
  listImages,
  listParts,
  type ManifestRow,
  mapOrdered,
  readManifest,
  type Store,
} from '@layermill/storage'
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

/** How a run's images are listed, and what became of it. */
export interface Listing {
  readonly strict?: boolean
  /** Images to leave out, by key. */
  without?: ReadonlySet<string> | undefined
  readonly leftOut: LeftOut
  /** Set where the listing goes on behind an image that an earlier one has come to: what is left out is counted from there. */
  since?: string | undefined
}

/** Files that a listing left out, for the run's record; undefined where there are none. */
export function leftOutFiles({ leftOut, since }: Listing): LeftOutFiles | undefined {
  const reasons = leftOut.table().map(row => ({ ...row, examples: [...row.examples] }))
  if (reasons.length === 0) return undefined
  const total = reasons.reduce((sum, { count, expected }) => sum + (expected === true ? 0 : count), 0)
  return { total, ...(since === undefined ? {} : { since }), reasons }
}

/** Manifest parts read ahead when a run is taken up again. */
const readAtOnce = 8

/**
 * The parts of a dataset: those in the manifest already, then the listing from where the manifest ends, written part by part as it comes.
 * The rows of a few parts in memory at most. `complete` where the manifest is known to be whole: nothing is listed then. A part that
 * another orchestrator has written meanwhile stays as it is, and the listing goes on behind it.
 */
export async function* planManifest(
  store: Store,
  source: ImageSource,
  partSize: number,
  complete: boolean,
  listing: Listing = { leftOut: new LeftOut() },
): AsyncGenerator<PlannedJob> {
  let next = 0
  let last: string | undefined
  const known = mapOrdered(await manifestParts(store), readAtOnce, async part => {
    const rows = await readManifest(store, part)
    const copied = rows.filter(({ from }) => from !== undefined).length
    return { job: { part, images: rows.length, ...(copied > 0 ? { copied } : {}) }, lastKey: rows.at(-1)?.key }
  })
  for await (const { job, lastKey } of known) {
    yield job
    next = job.part + 1
    last = lastKey
  }
  for (let whole = complete; !whole;) {
    whole = true
    listing.since ??= last
    const items = listImages(source, { ...listing, after: last })
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
