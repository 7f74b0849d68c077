import type { RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { LoadedModel, ModelProvider } from './model-provider.js'

/** Place of a run's network and weights, as a spec names it. */
export interface ModelPlace {
  readonly model: string
  readonly weights: string
}

/**
 * The network and weights that a run computes with, from a place that is said to have them.
 * @throws LayermillError `WEIGHTS_HASH` where these are other weights than the run was started with; as the provider
 */
export async function loadRunModel(provider: ModelProvider, record: RunRecord, { model, weights }: ModelPlace): Promise<LoadedModel> {
  const loaded = await provider.model(model, weights)
  if (loaded.weights.sha256 === record.identity.weights) return loaded
  throw new LayermillError(
    'WEIGHTS_HASH',
    `weights ${weights} of ${model} are ${loaded.weights.sha256} here, the run's are ${record.identity.weights}`,
    {
      hint: 'a local file with this name differs from the one that the run was started with',
    },
  )
}
