import type { ModelProvider } from '@layermill/gpu-worker'
import type { FinetuneSpec } from '@layermill/jobs'
import type { WeightsProgress } from '@layermill/models'
import type { TrainingEnvironment } from '@layermill/orchestrator/train'
import { compose } from '../compose.js'
import { localGradients, trainingEnvironment } from '../fleet/training.js'

export interface FinetuneEnvironmentOptions {
  readonly spec: Pick<FinetuneSpec, 'engine' | 'device'>
  readonly note: (text: string) => void
  readonly onWeights: (progress: WeightsProgress) => void
}

export interface FinetuneEnvironment {
  readonly environment: TrainingEnvironment
  readonly provider: ModelProvider
  close(): Promise<void>
}

/** Wires what fine-tuning in this process needs. */
export async function openFinetuneEnvironment({ spec, note, onWeights }: FinetuneEnvironmentOptions): Promise<FinetuneEnvironment> {
  // Only a frozen base's features are computed as parts.
  const composition = await compose({ engine: spec.engine, device: spec.device, note, onWeights, queue: 'when asked for' })
  const { environment, provider } = composition
  return { environment: trainingEnvironment(environment, provider, localGradients(provider)), provider, close: () => composition.close() }
}
