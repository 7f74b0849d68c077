import { type FeatureSet, openFeatureSet } from '@layermill/orchestrator/features'
import { openStore } from '@layermill/storage'
import { formatCount } from '../output/format.js'
import type { Output } from '../output/output.js'

/**
 * Runs an action with the features of one layer of an extraction run, and says where these are not all yet.
 * @param place folder or URL of the run
 * @throws LayermillError as `openFeatureSet`
 */
export async function withFeatures<Result>(
  output: Output,
  place: string,
  layer: string | undefined,
  action: (set: FeatureSet) => Promise<Result>,
): Promise<Result> {
  await using store = openStore(place)
  const set = await openFeatureSet(store, layer)
  if (!set.complete) {
    output.note(`warning: the run at ${store.url} is not finished; this is about the ${formatCount(set.parts.length)} parts that are there`)
  }
  return await action(set)
}
