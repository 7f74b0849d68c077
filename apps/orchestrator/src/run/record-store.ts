import {
  batchSizePath,
  calibrationPath,
  cpuPath,
  doubtsFolder,
  hasEnded,
  parseRunRecord,
  runPath,
  type RunRecord,
  serializeRunRecord,
  reportPath,
  successPath,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, type Store } from '@layermill/storage'

/** The run at a destination, or undefined. */
export async function readRunRecord(store: Store): Promise<RunRecord | undefined> {
  const bytes = await store.get(runPath)
  return bytes === undefined ? undefined : parseRunRecord(bytes, store.url)
}

export async function writeRunRecord(store: Store, record: RunRecord): Promise<void> {
  await store.put(runPath, serializeRunRecord(record), { contentType: 'application/json' })
}

/**
 * Changes the record of a run that has not ended, by compare and swap: an end that is noted at the same moment stays.
 *
 * @param change may be called again with a newer record
 * @returns the record as it is then; undefined where there is none, or another run's
 * @throws LayermillError `STORE_BUSY` where others change it all the time
 */
async function changeUnended(
  store: Store,
  id: string,
  change: (record: RunRecord) => RunRecord | Promise<RunRecord>,
  strict = false,
): Promise<RunRecord | undefined> {
  return changeObject(
    store,
    runPath,
    async bytes => {
      const record = bytes === undefined ? undefined : parseRunRecord(bytes, store.url, strict)
      if (record === undefined || record.id !== id) return undefined
      if (hasEnded(record.state)) return { value: record, text: undefined }
      const changed = await change(record)
      return { value: changed, text: serializeRunRecord(changed) }
    },
    () => new LayermillError('STORE_BUSY', `${store.url}/${runPath} is written by others all the time`),
  )
}

/**
 * Takes up a run that somebody was at before and may still be: makes a version of its record that is new whatever the store tells versions
 * by, so that the one before cannot write the record any more. A run that has ended, or another one, is left as it is.
 * @throws LayermillError `RECORD_NEWER` where a newer version wrote it: fields that are not known here would be lost
 */
export async function claimRun(store: Store, id: string): Promise<void> {
  await changeUnended(store, id, record => ({ ...record, sittings: (record.sittings ?? 0) + 1 }), true)
}

/**
 * Notes that a run was cancelled, unless it has ended.
 * @param before called first where it has not
 * @returns the record as it is then; undefined where there is none, or another run's
 */
export async function cancelRun(
  store: Store,
  id: string,
  finished: Date,
  before: (record: RunRecord) => Promise<void> = async () => undefined,
): Promise<RunRecord | undefined> {
  return changeUnended(store, id, async record => {
    await before(record)
    return { ...record, state: 'cancelled', finished: finished.toISOString() }
  })
}

/**
 * Notes that a run is set aside, unless it has ended.
 * @returns the record as it is then; undefined where there is none, or another run's
 */
export async function setRunAside(
  store: Store,
  id: string,
  finished: Date,
  error: { readonly code: string; readonly message: string },
): Promise<RunRecord | undefined> {
  return changeUnended(store, id, record => ({ ...record, state: 'failed', finished: finished.toISOString(), error: { ...error } }))
}

/** Folders and files of a run, in the order in which they can go: first what says that there are results. */
const places = [
  successPath,
  'commits/',
  'index/',
  'features/',
  'reduction/',
  'predictions/',
  'errors/',
  doubtsFolder,
  'manifest/',
  reportPath,
  runPath,
  calibrationPath,
  batchSizePath,
  cpuPath,
]

/** Deletes a run's files at a destination, and nothing else that is there. */
export async function deleteRun(store: Store): Promise<void> {
  for (const place of places) {
    if (!place.endsWith('/')) {
      await store.delete(place)
      continue
    }
    for await (const { key } of store.list(place)) await store.delete(key)
  }
}
