import type { ModelProvider } from '@layermill/inference'
import type { FinetuneSpec } from '@layermill/contracts'
import type { WeightsProgress } from '@layermill/weights'
import type { TrainingEnvironment } from '@layermill/orchestrator/train'
import { compose } from '../compose.js'
import { localGradients, trainingEnvironment } from '@layermill/orchestrator/fleet'

export interface FinetuneEnvironmentOptions {
  readonly spec: Pick<FinetuneSpec, 'engine' | 'device'>
  readonly note: (text: string) => void
  readonly onWeights: (progress: WeightsProgress) => void
  /** Parts known to be needed, opened while the weights are loaded: the engine, or also the queue for features. Default: nothing. */
  readonly soon?: 'engine' | 'engine and queue'
}

export interface FinetuneEnvironment {
  readonly environment: TrainingEnvironment
  readonly provider: ModelProvider
  close(): Promise<void>
}

/** Wires what fine-tuning in this process needs. */
export async function openFinetuneEnvironment({ spec, note, onWeights, soon }: FinetuneEnvironmentOptions): Promise<FinetuneEnvironment> {
  // Only a frozen base's features are computed as parts.
  const queue = soon === 'engine and queue' ? 'meanwhile' : 'when asked for'
  const composition = await compose({ engine: spec.engine, device: spec.device, note, onWeights, queue, engineSoon: soon !== undefined })
  const { environment, provider } = composition
  return { environment: trainingEnvironment(environment, provider, localGradients(provider)), provider, close: () => composition.close() }
}
