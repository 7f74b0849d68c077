import { GradientProcessor, startGradientWorker } from '@layermill/inference'
import { openExchange } from '@layermill/queue'
import { QueueGradients } from '@layermill/orchestrator/train'
import { openSource, openStore } from '@layermill/storage'
import type { TrainOptions } from './embedded.js'

/** Gradients that two workers compute for a run over a queue. */
export const overQueue: TrainOptions = {
  async gradients({ broker, provider, plan, store }) {
    const blobs = new Map<string, Uint8Array>()
    const exchange = openExchange({
      put: async (key, bytes) => void blobs.set(key, bytes),
      get: async key => blobs.get(key),
      delete: async keys => keys.forEach(key => blobs.delete(key)),
      deleteBelow: async prefix => [...blobs.keys()].filter(key => key.startsWith(prefix)).forEach(key => blobs.delete(key)),
    })
    const reading = {
      provider,
      openStore: async (url: string) => openStore(url),
      openSource: (source: string) => openSource(source),
      readAhead: 4,
    }
    startGradientWorker(broker, new GradientProcessor({ ...reading, exchange }), { concurrency: 2 })
    return QueueGradients.open({ broker, exchange, plan, storeUrl: store.url, session: 's1', inFlight: 2, reconcileInterval: 200 })
  },
}
