import { listParts, parseErrors, type Store } from '@layermill/storage'
import type { FailurePage, RunParts } from '@layermill/contracts'

/** Most images of one answer, give or take those of a part. */
const pageLength = 60
/** Parts looked through for one answer. */
const mostParts = 200

async function rangesBelow(store: Store, folder: string): Promise<[number, number][]> {
  const ranges: [number, number][] = []
  for await (const { part } of listParts(store, folder)) {
    const last = ranges.at(-1)
    if (last !== undefined && part === last[1] + 1) last[1] = part
    else ranges.push([part, part])
  }
  return ranges
}

/** Which parts of a run are committed, and which have errors. */
export async function runParts(store: Store): Promise<RunParts> {
  const [committed, withErrors] = await Promise.all([rangesBelow(store, 'commits/'), rangesBelow(store, 'errors/')])
  return { committed, withErrors }
}

/** Images that were left out, of the parts from `from` on. */
export async function failuresFrom(store: Store, from: number): Promise<FailurePage> {
  const failures: FailurePage['failures'] = []
  let looked = 0
  for await (const { part, key } of listParts(store, 'errors/')) {
    if (part < from) continue
    if (failures.length >= pageLength || looked++ >= mostParts) return { failures, next: part }
    const bytes = await store.get(key)
    const rows = bytes === undefined ? [] : parseErrors(bytes, `${store.url}/${key}`)
    failures.push(...rows.slice(0, 500).map(row => ({ part, ...row })))
  }
  return { failures }
}
