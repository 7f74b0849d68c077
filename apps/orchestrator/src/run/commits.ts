import type { PartResult } from '@layermill/contracts'
import { countsOf, listParts, readCommit, type Store } from '@layermill/storage'

/** Numbers of the parts that have a commit record, as a set. */
export async function committedParts(store: Store): Promise<Set<number>> {
  const parts = new Set<number>()
  for await (const { part } of listParts(store, 'commits/')) parts.add(part)
  return parts
}

/** A part's counts by its commit record, or undefined where it has none. */
export async function committedResult(store: Store, part: number): Promise<PartResult | undefined> {
  const commit = await readCommit(store, part)
  return commit === undefined ? undefined : countsOf(commit)
}
