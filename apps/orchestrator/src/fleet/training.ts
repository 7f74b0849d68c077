import { randomBytes } from 'node:crypto'
import { createProvider, type ModelProvider } from '@layermill/inference'
import { isFineTuned } from '@layermill/models'
import { type Broker, openExchange } from '@layermill/queue'
import { openSource, type SourceAccess } from '@layermill/storage'
import { queueNotify } from '../notify/webhook-worker.js'
import { promotionNotice } from '../registry/notice.js'
import { BrokerPartQueue } from '../run/broker-part-queue.js'
import { checkMemory, MemoryNeeds } from '../service/memory-needs.js'
import type { OpenTrainingEnvironment } from '../service/training-environment.js'
import type { TimedGradients, TrainingEnvironment } from '../train/environment.js'
import { QueueGradients } from '../train/queue-gradients.js'
import { createEnvironment } from './create-environment.js'
import type { FleetEnvironmentOptions } from './environment-options.js'
import { localGradients, trainingEnvironment } from './local-training.js'

/**
 * Micro-batches by the workers of a queue. A frozen base's head trains here: its steps take less time than sending them, and the numbers
 * are the same.
 */
function queueGradients(broker: Broker, provider: ModelProvider): TrainingEnvironment['gradients'] {
  const local = localGradients(provider)
  return async (record, plan, store, features): Promise<TimedGradients> => {
    if (features !== undefined) return local(record, plan, store, features)
    const session = randomBytes(6).toString('hex')
    return QueueGradients.open({ broker, exchange: openExchange(broker.blobs), plan, storeUrl: store.url, session })
  }
}

/**
 * Environment of a fleet's orchestrator for one fine-tuning run: weights in memory for as long as it takes, and an engine once a frozen
 * base's features are to be learnt from. That engine computes on the CPU, so that every orchestrator gets the same bits.
 */
export function fleetTraining(
  broker: Broker,
  { weights, load, note, openSource: open = openSource }: FleetEnvironmentOptions,
): OpenTrainingEnvironment {
  return async spec => {
    // Also what was queued without asking a server, before its weights are in memory.
    await new MemoryNeeds().checkSpec(spec)
    const provider = createProvider({ engine: 'onnx', device: 'cpu', note, load })
    const created = createEnvironment(
      async (record, store) => new BrokerPartQueue(broker, record, store.url),
      async ({ model, weights: source }) => {
        const loaded = await provider.model(model, source)
        // A fine-tuned model is where its URL says, for workers too.
        if (!isFineTuned(loaded.network)) await weights?.publish(loaded.network, loaded.weights)
        return { network: loaded.network, weightsSha256: loaded.weights.sha256 }
      },
      note,
    )
    const runs = { ...created, openSource: (source: string, access?: SourceAccess) => open(source, { access }) }
    const training = trainingEnvironment(runs, provider, queueGradients(broker, provider), open)
    const environment: TrainingEnvironment = {
      ...training,
      base: async asked => {
        const loaded = await training.base(asked)
        // Files that had to be fetched have a size by now, and their weights are not in memory yet.
        checkMemory(asked, loaded.network)
        return loaded
      },
      onPromoted: promotionNotice(queueNotify(broker)),
    }
    return { environment, [Symbol.asyncDispose]: () => provider.close() }
  }
}
