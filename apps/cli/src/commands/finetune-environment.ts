import { randomBytes } from 'node:crypto'
import { LocalGradients, type ModelProvider, openTrainingSession } from '@layermill/gpu-worker'
import { type Broker, type FinetuneSpec, openExchange, type RunRecord, type TrainingPlan } from '@layermill/jobs'
import { isFineTuned, type WeightsProgress } from '@layermill/models'
import { QueueGradients, type TrainingEnvironment } from '@layermill/orchestrator/train'
import { openSource, openStore, type Store } from '@layermill/storage'
import type { GradientSource } from '@layermill/training'
import { compose, createEnvironment, createProvider, readAhead } from '../compose.js'
import { fleetWeights, openFleetQueue } from '../fleet/orchestrator.js'

/** Bytes of stored features that may stay in memory. */
const featureMemory = 2e9

export interface FinetuneEnvironmentOptions {
  readonly spec: Pick<FinetuneSpec, 'engine' | 'device'>
  /** URL of the queue; undefined: all in this process. */
  readonly queue: string | undefined
  readonly weightsStore: string | undefined
  readonly note: (text: string) => void
  readonly onWeights: (progress: WeightsProgress) => void
}

export interface FinetuneEnvironment {
  readonly environment: TrainingEnvironment
  readonly provider: ModelProvider
  close(): Promise<void>
}

/** Micro-batches in this process. */
function localGradients(provider: ModelProvider): TrainingEnvironment['gradients'] {
  return async (_record, plan, store, features) => {
    const stored = features === undefined ? {} : { features: { ...features, memory: featureMemory } }
    const { session } = await openTrainingSession({ provider, store, openSource: source => openSource(source), readAhead, ...stored })
    return new LocalGradients(session, plan.exchange)
  }
}

/**
 * Micro-batches by the workers of a queue. A frozen base's head trains here: its steps take less time than sending them, and the numbers
 * are the same.
 */
function queueGradients(broker: Broker, provider: ModelProvider): TrainingEnvironment['gradients'] {
  const local = localGradients(provider)
  return async (record: RunRecord, plan: TrainingPlan, store: Store, features): Promise<GradientSource> => {
    if (features !== undefined) return local(record, plan, store, features)
    const session = randomBytes(6).toString('hex')
    return QueueGradients.open({ broker, exchange: openExchange(broker.blobs), plan, storeUrl: store.url, session })
  }
}

function trainingEnvironment(
  runs: TrainingEnvironment['runs'],
  provider: ModelProvider,
  gradients: TrainingEnvironment['gradients'],
): TrainingEnvironment {
  return {
    runs,
    gradients,
    openLabelled: async source => openLabelled(source),
    base: async ({ model, weights }) => provider.model(model, weights),
    readAhead,
  }
}

/** A folder's classes are its folders, also where a stray image lies beside them: that one is then missed, and said so. */
async function openLabelled(source: string): ReturnType<typeof openSource> {
  const opened = await openSource(source)
  if (opened.kind !== 'folder' && opened.kind !== 's3') return opened
  await opened.close()
  return openSource(source, { labels: 'folder' })
}

/** Wires what fine-tuning needs: in this process, or with the workers of a queue. */
export async function openFinetuneEnvironment(options: FinetuneEnvironmentOptions): Promise<FinetuneEnvironment> {
  const { spec, note, onWeights } = options
  if (options.queue === undefined) {
    const composition = await compose({ engine: spec.engine, device: spec.device, note, onWeights })
    const { environment, provider } = composition
    return { environment: trainingEnvironment(environment, provider, localGradients(provider)), provider, close: () => composition.close() }
  }
  const broker = await openFleetQueue(options.queue, note)
  const weights = fleetWeights(options.weightsStore, note)
  const provider = createProvider({ engine: spec.engine, device: spec.device, note, onWeights })
  const runs = createEnvironment(broker, async ({ model, weights: source }) => {
    const loaded = await provider.model(model, source)
    if (!isFineTuned(loaded.network)) await weights?.publish(loaded.network, loaded.weights)
    return { network: loaded.network, weightsSha256: loaded.weights.sha256 }
  })
  return {
    environment: trainingEnvironment({ ...runs, openStore: async url => openStore(url) }, provider, queueGradients(broker, provider)),
    provider,
    close: async () => {
      await broker.close()
      await provider.close()
    },
  }
}
