import { batchSizePath, type RunRecord } from '@layermill/contracts'
import type { Store } from '@layermill/storage'

/** Batch size for a finished run's record: found by its first worker, where the spec left it open and a worker had a part. */
export async function foundBatchSize({ batchSize }: RunRecord, store: Store): Promise<Pick<RunRecord, 'batchSize'>> {
  if (batchSize !== 'auto') return { batchSize }
  const found = Number(new TextDecoder().decode(await store.get(batchSizePath)))
  return { batchSize: Number.isInteger(found) && found > 0 ? found : 'auto' }
}
