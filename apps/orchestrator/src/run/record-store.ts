import { parseRunRecord, type RunRecord, serializeRunRecord } from '@layermill/jobs'
import { BATCH_SIZE_PATH, CALIBRATION_PATH, RUN_PATH, type Store, SUCCESS_PATH } from '@layermill/storage'

/** The run at a destination, or undefined. */
export async function readRunRecord(store: Store): Promise<RunRecord | undefined> {
  const bytes = await store.get(RUN_PATH)
  return bytes === undefined ? undefined : parseRunRecord(bytes, store.url)
}

export async function writeRunRecord(store: Store, record: RunRecord): Promise<void> {
  await store.put(RUN_PATH, serializeRunRecord(record), { contentType: 'application/json' })
}

/** Folders and files of a run, in the order in which they can go: first what says that there are results. */
const places = [SUCCESS_PATH, 'commits/', 'index/', 'features/', 'predictions/', 'errors/', 'manifest/', RUN_PATH, CALIBRATION_PATH, BATCH_SIZE_PATH]

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
