import { GradientProcessor, startGradientWorker } from '@layermill/inference'
import { type BlobStore, openExchange } from '@layermill/queue'
import { QueueGradients } from '@layermill/orchestrator/train'
import { openSource, openStore } from '@layermill/storage'
import type { TrainOptions } from './embedded.js'

export interface OverQueueOptions {
  /** Holds micro-batches and gradients; default: the queue's own. */
  readonly blobs?: BlobStore
  /** Micro-batches that workers compute at once. */
  readonly concurrency?: number
  readonly inFlight?: number
}

/** Gradients that workers compute for a run over a queue. */
export function overQueue({ blobs, concurrency = 2, inFlight = 4 }: OverQueueOptions = {}): TrainOptions {
  return {
    async gradients({ broker, provider, plan, store }) {
      const exchange = openExchange(blobs ?? broker.blobs)
      const reading = {
        provider,
        openStore: async (url: string) => openStore(url),
        openSource: (source: string) => openSource(source),
        readAhead: 4,
      }
      const opening = { broker, exchange, plan, storeUrl: store.url, session: 's1', inFlight, reconcileInterval: 200 }
      // Opened before its workers start: they would take, and try again later, what an earlier term left on the queue.
      const source = await QueueGradients.open(opening)
      startGradientWorker(broker, new GradientProcessor({ ...reading, exchange }), { concurrency })
      return source
    },
  }
}
