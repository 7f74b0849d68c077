import { LayermillError } from '@layermill/core'
import { batchSizePath, type RunRecord } from '@layermill/contracts'
import { changeObject, type Store } from '@layermill/storage'

/** @throws LayermillError `RUN_RECORD_INVALID` */
function parse(bytes: Uint8Array, where: string): number {
  const text = new TextDecoder().decode(bytes).trim()
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new LayermillError('RUN_RECORD_INVALID', `${where}/${batchSizePath} is not a whole number from 1 to 9999`, {
    hint: 'delete it: it is found again',
  })
}

/**
 * Images that a run computes at once, the same for all its workers: what the run says, or what the first of them found and wrote down.
 * @param find looks for it; called where nobody has
 * @throws LayermillError `RUN_RECORD_INVALID`; as `find` and the store do
 */
export async function batchSizeOfRun({ batchSize }: RunRecord, store: Store, find: () => Promise<number>): Promise<number> {
  if (batchSize !== 'auto') return batchSize
  const there = await store.get(batchSizePath)
  if (there !== undefined) return parse(there, store.url)
  const found = await find()
  const agreed = await changeObject(
    store,
    batchSizePath,
    bytes => (bytes === undefined ? { value: found, text: `${found}\n` } : { value: parse(bytes, store.url), text: undefined }),
    () => new LayermillError('STORE_UNREACHABLE', `${store.url}/${batchSizePath} is changed all the time`),
  )
  return agreed ?? found
}
