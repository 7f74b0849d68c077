import type { RunRecord, UpdateFound } from '@layermill/contracts'
import { type ImageSource, LeftOut, listImages, mapOrdered, readManifest, type SourceItem, type Store } from '@layermill/storage'
import { keysLeftOut } from './audited-images.js'
import { committedParts, committedResult } from './commits.js'
import type { RunAction } from './decide.js'
import type { RunEnvironment } from './environment.js'
import { type Listing, manifestParts } from './manifest-plan.js'
import { failedItems, imagesToUpdate, readUpdatePlan } from './update-plan.js'

/** Parts whose records are read ahead. */
const readAtOnce = 8

/** Images of the run at a destination, and those of them whose results would be kept. */
export interface Standing {
  readonly images: number
  readonly done: number
}

/** Facts that are known once all images have been gone through. */
export interface PlanFacts {
  readonly standing?: Standing | undefined
  /** Of an update or a retry. */
  readonly found?: UpdateFound | undefined
}

/** Images that a command would compute; facts are returned behind the last one. */
export type PlannedImages = AsyncGenerator<SourceItem, PlanFacts>

/** A dataset and how it is listed. */
interface Listed {
  readonly source: ImageSource
  readonly listing: Listing
}

/** How a run of this spec lists its images. @throws LayermillError as `keysLeftOut` does */
export async function listingOf(record: RunRecord, openStore: RunEnvironment['openStore']): Promise<Listing> {
  return { strict: record.spec.strict === true, leftOut: new LeftOut(), without: await keysLeftOut(record, url => openStore(url)) }
}

async function* changed(action: 'update' | 'retry' | 'renew', store: Store, { source, listing }: Listed): PlannedImages {
  if (action === 'update') return { found: yield* imagesToUpdate(store, source, listing) }
  if (action === 'retry') return { found: yield* failedItems(store, source) }
  yield* listImages(source, listing)
  return {}
}

/** The images that a run which goes on would compute. */
async function* resumed({ planned, updating, replacing }: RunRecord, store: Store, listed: Listed): PlannedImages {
  const change = await readUpdatePlan(store)
  const retired = new Set(change?.retire)
  const committed = await committedParts(store)
  const kept = (await manifestParts(store)).filter(part => !retired.has(part))
  const parts = mapOrdered(kept, readAtOnce, async part => ({
    rows: await readManifest(store, part),
    result: committed.has(part) ? await committedResult(store, part) : undefined,
  }))
  // A change that was interrupted before it was planned is planned anew.
  const again = change === undefined ? updating : undefined
  let [images, done] = [0, 0]
  let last: string | undefined
  for await (const { rows, result } of parts) {
    if (result === undefined && again !== undefined) continue
    last = rows.at(-1)?.key ?? last
    images += rows.length
    const open = result === undefined ? rows.filter(({ from }) => from === undefined) : []
    for (const { from: _from, ...row } of open) yield row
    done += result?.images ?? rows.length - open.length
  }
  const standing = { images, done }
  if (again !== undefined) return { standing, ...(yield* changed(replacing === undefined ? again : 'renew', store, listed)) }
  if (!planned && change === undefined) yield* listImages(listed.source, { ...listed.listing, after: last })
  return { standing, found: change?.found }
}

/**
 * The images that a command would compute at a destination, and how the run there stands; nothing is written.
 * @param action what becomes of the run that is there
 * @throws LayermillError as the listing does
 */
export async function* plannedImages(
  action: RunAction,
  existing: RunRecord | undefined,
  store: Store | undefined,
  listed: Listed,
): PlannedImages {
  if (existing === undefined || store === undefined || action === 'create' || action === 'replace') {
    yield* listImages(listed.source, listed.listing)
    return {}
  }
  if (action === 'resume') return yield* resumed(existing, store, listed)
  const { images, done } = existing.counts
  const standing = { images, done }
  if (action === 'update' || action === 'retry' || action === 'renew') return { standing, ...(yield* changed(action, store, listed)) }
  return { standing }
}
