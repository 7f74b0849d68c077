import { createHash } from 'node:crypto'
import type { SourceItem } from '@layermill/storage'

/** Images that ranges are chosen with, and as many others to compare on, where there are so many. */
export const calibrationImages = 64

export interface CalibrationSample {
  readonly chosen: readonly SourceItem[]
  /** Empty where the dataset has no others. */
  readonly others: readonly SourceItem[]
  /** Images of the whole dataset. */
  readonly total: number
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/**
 * The images whose keys have the smallest hashes: the same ones in whatever order a source lists them. Holds no more than these in memory.
 */
export async function sampleImages(items: AsyncIterable<SourceItem>, images: number = calibrationImages): Promise<CalibrationSample> {
  let smallest: { hash: string; item: SourceItem }[] = []
  let limit: string | undefined
  let total = 0
  for await (const item of items) {
    total++
    const hash = hashOf(item.key)
    if (limit !== undefined && hash >= limit) continue
    smallest.push({ hash, item })
    if (smallest.length < 4 * images) continue
    smallest = sorted(smallest).slice(0, 2 * images)
    limit = smallest.at(-1)!.hash
  }
  const all = sorted(smallest)
    .slice(0, 2 * images)
    .map(({ item }) => item)
  return { chosen: all.slice(0, images), others: all.slice(images), total }
}

function sorted<Entry extends { readonly hash: string }>(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0))
}
