import type { RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { ModelOutline, ModelProvider } from './model-provider.js'

/** Place of a run's network and weights, as a spec names it. */
export interface ModelPlace {
  readonly model: string
  readonly weights: string
}

/**
 * The network that a run computes with, from a place that is said to have its weights.
 * @throws LayermillError `WEIGHTS_HASH` where these are other weights than the run was started with; as the provider
 */
export async function loadRunModel(provider: ModelProvider, record: RunRecord, { model, weights }: ModelPlace): Promise<ModelOutline> {
  const loaded = await provider.outline(model, weights)
  if (loaded.weights.sha256 === record.identity.weights) return loaded
  throw new LayermillError(
    'WEIGHTS_HASH',
    `weights ${weights} of ${model} are ${loaded.weights.sha256} here, the run's are ${record.identity.weights}`,
    {
      hint: 'a local file with this name differs from the one that the run was started with',
    },
  )
}
