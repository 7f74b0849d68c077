import { errorCode, LayermillError, schemeOf } from '@layermill/core'
import { runPath } from '@layermill/contracts'
import type { Store } from '@layermill/storage'

/** Files that tell that a folder is a run's, a model's or a registered model's. */
const markers = [runPath, 'model.json', 'latest.json', 'version.json'] as const
/** Files directly beside those that a single file of results could replace. */
const ownFiles = new Set(['metrics.jsonl', 'history.jsonl', 'held-out.jsonl', 'errors.jsonl'])
/** Folders above a file that are looked at: more than the files of any of those lie deep. */
const mostAbove = 6

/** A file's folders from the nearest up, each with the file's place in it; `s3://bucket` is the last of a bucket's. */
function foldersAbove(file: string): { folder: string; rest: string }[] {
  const found: { folder: string; rest: string }[] = []
  const scheme = schemeOf(file)
  const afterHost = scheme === undefined ? 0 : file.indexOf('/', scheme.length + '://'.length)
  const root = afterHost === -1 ? file.length : afterHost
  for (let end = file.lastIndexOf('/'); end >= root && end >= 0 && found.length < mostAbove; end = file.lastIndexOf('/', end - 1)) {
    found.push({ folder: end === 0 ? '/' : file.slice(0, end), rest: file.slice(end + 1) })
    if (end === 0) break
  }
  return found
}

/** The marker that a folder has; none where it may not be looked at, as folders far above may be. */
async function markerOf(openStore: (url: string) => Promise<Store>, folder: string): Promise<string | undefined> {
  const store = await openStore(folder)
  try {
    for (const marker of markers) if ((await store.stat(marker)) !== undefined) return marker
    return undefined
  } catch (error) {
    if (errorCode(error) === 'STORE_DENIED') return undefined
    throw error
  } finally {
    await store.close()
  }
}

/**
 * Refuses a single file of results that would replace, or be taken for, a file of a run, a model or the registry. Directly in such a
 * folder it may lie, under another name than theirs.
 *
 * @param file an absolute path, or a URL
 * @throws LayermillError `RUN_CONFLICT`; as the store does
 */
export async function refuseForeignFile(file: string, openStore: (url: string) => Promise<Store>): Promise<void> {
  for (const { folder, rest } of foldersAbove(file)) {
    if (!rest.includes('/') && !ownFiles.has(rest)) continue
    const marker = await markerOf(openStore, folder)
    if (marker === undefined) continue
    throw new LayermillError('RUN_CONFLICT', `${file} lies among the files of another run or model (${folder} has ${marker})`, {
      hint: 'choose an --out elsewhere: no run may replace the files of another one',
    })
  }
}
