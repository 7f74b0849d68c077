import type { DriftCondition } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { openFeatureSet } from '../features/feature-set.js'
import { runDrift } from '../features/drift.js'

/**
 * The p-value of a run's features against those of the past.
 * @param out the run's place
 * @throws LayermillError as `openFeatureSet` and `runDrift` do
 */
export async function driftOfRun(
  out: string,
  { reference, layer }: Pick<DriftCondition, 'reference' | 'layer'>,
  environment: { openStore(url: string): Promise<Store> },
): Promise<number> {
  await using fresh = await environment.openStore(out)
  await using old = await environment.openStore(reference)
  // Loaded here: commands on schedules need no runtime.
  const { openProduct } = await import('@layermill/engines')
  const fast = await openProduct()
  try {
    return (await runDrift(await openFeatureSet(fresh, layer), await openFeatureSet(old, layer), fast.product, '0')).p
  } finally {
    await fast.close()
  }
}
