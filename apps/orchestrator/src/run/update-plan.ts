import { errorsPath, manifestPath, type UpdateFound } from '@layermill/contracts'
import {
  type ErrorRow,
  type ImageSource,
  LeftOut,
  listImages,
  type ManifestRow,
  parseErrors,
  readManifest,
  type SourceItem,
  type Store,
} from '@layermill/storage'
import { committedParts } from './commits.js'
import { type Listing, manifestParts, writeManifest } from './manifest-plan.js'
import type { PlannedJob } from './part-tracker.js'
import { mayPass } from './passing-failures.js'
import { cutParts } from './plan-parts.js'

/** A change to a finished run: the new parts, and the parts that they replace or that are gone. Written down before it is carried out. */
export interface UpdatePlan {
  readonly parts: readonly PlannedJob[]
  readonly retire: readonly number[]
  /** Left out where every image is computed anew, and by earlier versions. */
  readonly found?: UpdateFound | undefined
}

const updatePath = 'manifest/update.json'

/** The change under way, or undefined. */
export async function readUpdatePlan(store: Store): Promise<UpdatePlan | undefined> {
  const bytes = await store.get(updatePath)
  return bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as UpdatePlan)
}

export async function deleteUpdatePlan(store: Store): Promise<void> {
  await store.delete(updatePath)
}

/** One image of a finished run. */
interface KnownImage {
  readonly etag: string
  readonly label: string | undefined
  seen: boolean
  /** Item of the listing as it is now, where that is another version or label. */
  now?: SourceItem
}

/** Images of a finished run as the listing is compared with them, by key. */
type KnownImages = ReadonlyMap<string, KnownImage>

/** A part's images that have no result. */
async function failedImages(store: Store, part: number): Promise<ErrorRow[]> {
  const path = errorsPath(part)
  const bytes = await store.get(path)
  return bytes === undefined ? [] : parseErrors(bytes, `${store.url}/${path}`)
}

const keysOf = (rows: readonly ErrorRow[]): Set<string> => new Set(rows.map(({ key }) => key))

async function failedKeys(store: Store, part: number): Promise<Set<string>> {
  return keysOf(await failedImages(store, part))
}

/** Those of images that failed to try again at every update. What the listing does not find either (an empty etag) is still missing. */
const passingKeys = (failed: readonly ErrorRow[], known: KnownImages): Set<string> =>
  keysOf(failed.filter(row => mayPass(row) && known.get(row.key)?.etag !== ''))

/** A part's rows again, each with where its result is, where it has one. */
async function rowsWithResults(store: Store, part: number): Promise<ManifestRow[]> {
  const [rows, failed] = await Promise.all([readManifest(store, part), failedKeys(store, part)])
  let result = 0
  return rows.map(({ from: _from, ...row }) => (failed.has(row.key) ? row : { ...row, from: { part, row: result++ } }))
}

/** Deletes manifest parts of a planning that was interrupted: those without results. */
async function deleteOrphans(store: Store, live: ReadonlySet<number>): Promise<void> {
  for (const part of await manifestParts(store)) if (!live.has(part)) await store.delete(manifestPath(part))
}

interface Draft {
  readonly store: Store
  readonly parts: PlannedJob[]
  readonly retire: number[]
  next: number
}

async function startDraft(store: Store): Promise<{ draft: Draft; live: number[] }> {
  const committed = await committedParts(store)
  await deleteOrphans(store, committed)
  const live = [...committed].sort((a, b) => a - b)
  return { draft: { store, parts: [], retire: [], next: (live.at(-1) ?? -1) + 1 }, live }
}

async function addPart(draft: Draft, rows: readonly ManifestRow[]): Promise<void> {
  const part = draft.next++
  await writeManifest(draft.store, part, rows)
  draft.parts.push({ part, images: rows.length })
}

async function finishDraft({ store, parts, retire }: Draft, found?: UpdateFound): Promise<UpdatePlan> {
  const plan: UpdatePlan = { parts, retire, ...(found === undefined ? {} : { found }) }
  await store.put(updatePath, `${JSON.stringify(plan)}\n`, { contentType: 'application/json' })
  return plan
}

/** Images that the listing has and the run does not; marks those that both have. */
async function* newImages(items: AsyncIterable<SourceItem>, known: KnownImages): AsyncGenerator<SourceItem> {
  for await (const item of items) {
    const image = known.get(item.key)
    if (image === undefined) {
      yield item
      continue
    }
    image.seen = true
    if (image.etag !== item.etag || image.label !== item.label) image.now = item
  }
}

/** A row of a part that is written again: the same result, a new one, or none where the image is gone. */
function updatedRow(row: ManifestRow, image: KnownImage): ManifestRow[] {
  if (!image.seen) return []
  if (image.now === undefined) return [row]
  const { key, etag, bytes, label, at } = image.now
  const unchanged = etag === image.etag && row.from !== undefined
  return [
    {
      key,
      etag,
      bytes,
      ...(label === undefined ? {} : { label }),
      ...(at === undefined ? {} : { at }),
      ...(unchanged ? { from: row.from } : {}),
    },
  ]
}

async function knownImages(store: Store, live: readonly number[]): Promise<KnownImages> {
  const known = new Map<string, KnownImage>()
  for (const part of live) {
    for (const { key, etag, label } of await readManifest(store, part)) known.set(key, { etag, label, seen: false })
  }
  return known
}

/** Numbers of images that a listing has compared; `retried` are those to try again. */
function foundOf(known: KnownImages, added: number, retried: ReadonlySet<string>): UpdateFound {
  let [changed, deleted, again] = [0, 0, 0]
  for (const [key, { seen, now }] of known) {
    if (!seen) deleted++
    else if (now !== undefined) changed++
    else if (retried.has(key)) again++
  }
  return { added, changed, deleted, retried: again }
}

/**
 * The images that an update of a finished run would compute, new ones first; nothing is written. What was found is returned behind the
 * last one.
 */
export async function* imagesToUpdate(
  store: Store,
  source: ImageSource,
  listing: Listing = { leftOut: new LeftOut() },
): AsyncGenerator<SourceItem, UpdateFound> {
  const live = [...(await committedParts(store))].sort((a, b) => a - b)
  const known = await knownImages(store, live)
  let added = 0
  for await (const item of newImages(listImages(source, listing), known)) {
    added++
    yield item
  }
  const retried = new Set<string>()
  for (const part of live) {
    const rows = await failedImages(store, part)
    const [passing, failed] = [passingKeys(rows, known), keysOf(rows)]
    for (const { from: _from, ...row } of await readManifest(store, part)) {
      const { seen, now } = known.get(row.key)!
      if (passing.has(row.key)) retried.add(row.key)
      // Another label alone is written without computing.
      if (now !== undefined && (now.etag !== row.etag || failed.has(row.key))) yield now
      else if (now === undefined && seen && passing.has(row.key)) yield row
    }
  }
  return foundOf(known, added, retried)
}

/**
 * The images of a finished run that failed, as the listing has them now: those that a retry would compute. What was found is returned
 * behind the last one: those that are missing are tried again, too.
 */
export async function* failedItems(store: Store, source: ImageSource): AsyncGenerator<SourceItem, UpdateFound> {
  const failed = new Set<string>()
  for (const part of await committedParts(store)) for (const key of await failedKeys(store, part)) failed.add(key)
  yield* (await currentItems(source, failed)).values()
  return foundByRetry(failed)
}

const foundByRetry = ({ size }: ReadonlySet<string>): UpdateFound => ({ added: 0, changed: 0, deleted: 0, retried: size })

/**
 * Compares the dataset with a finished run and plans the difference: new images in new parts; each part with a changed or deleted image
 * again, with the results that still hold copied, and each with an image that failed for a reason that may have passed. Every image's key
 * is held in memory, about 200 bytes each.
 */
export async function planUpdate(
  store: Store,
  source: ImageSource,
  partSize: number,
  listing: Listing = { leftOut: new LeftOut() },
): Promise<UpdatePlan> {
  const { draft, live } = await startDraft(store)
  const known = await knownImages(store, live)
  let added = 0
  const retried = new Set<string>()
  for await (const { rows } of cutParts(newImages(listImages(source, listing), known), partSize, draft.next)) {
    await addPart(draft, rows)
    added += rows.length
  }
  for (const part of live) {
    const keys = await readManifest(store, part)
    const isSame = keys.every(({ key }) => known.get(key)!.seen && known.get(key)!.now === undefined)
    const passing = passingKeys(await failedImages(store, part), known)
    for (const key of passing) retried.add(key)
    if (isSame && passing.size === 0) continue
    const rows = (await rowsWithResults(store, part)).flatMap(row => updatedRow(row, known.get(row.key)!))
    if (rows.length > 0) await addPart(draft, rows)
    draft.retire.push(part)
  }
  return finishDraft(draft, foundOf(known, added, retried))
}

/** Plans every image again in new parts, which replace all that are there. */
export async function planRenewal(
  store: Store,
  source: ImageSource,
  partSize: number,
  listing: Listing = { leftOut: new LeftOut() },
): Promise<UpdatePlan> {
  const { draft, live } = await startDraft(store)
  for await (const { rows } of cutParts(listImages(source, listing), partSize, draft.next)) await addPart(draft, rows)
  draft.retire.push(...live)
  return finishDraft(draft)
}

/** Lists the images that failed as they are now: they may have been mended, or put where they were missing. */
async function currentItems(source: ImageSource, keys: ReadonlySet<string>): Promise<Map<string, SourceItem>> {
  const found = new Map<string, SourceItem>()
  if (keys.size === 0) return found
  for await (const item of source.items()) {
    if (keys.has(item.key)) found.set(item.key, item)
    if (found.size === keys.size) break
  }
  return found
}

/** A row that has no result, as the listing has it now. */
function rowToRetry(row: ManifestRow, items: ReadonlyMap<string, SourceItem>): ManifestRow {
  const item = row.from === undefined ? items.get(row.key) : undefined
  return item === undefined ? row : { ...row, etag: item.etag, bytes: item.bytes, at: item.at }
}

/** Plans each part with failed images again: their results copied, the failed ones tried once more, as they are now. */
export async function planRetry(store: Store, source: ImageSource): Promise<UpdatePlan> {
  const { draft, live } = await startDraft(store)
  const failedParts: number[] = []
  const failed = new Set<string>()
  for (const part of live) {
    const keys = await failedKeys(store, part)
    for (const key of keys) failed.add(key)
    if (keys.size > 0) failedParts.push(part)
  }
  const items = await currentItems(source, failed)
  for (const part of failedParts) {
    await addPart(
      draft,
      (await rowsWithResults(store, part)).map(row => rowToRetry(row, items)),
    )
    draft.retire.push(part)
  }
  return finishDraft(draft, foundByRetry(failed))
}
