import { type Device, type EngineName, openEngine } from '@layermill/engines'
import { ModelProvider, type ModelProviderOptions } from './model-provider.js'
import { loadWeights, type WeightsProgress } from '@layermill/weights'
import { type LoadFleetWeights, openStoreFile } from './weights/weights-file.js'
import { loadAnyModel } from './any-model.js'

/** Images read and decoded at once for a part. */
export const readAhead = 16

export interface ProviderOptions extends Pick<ModelProviderOptions, 'handOver'> {
  readonly engine: EngineName
  readonly device: Device | 'auto'
  /** Told of the device that was chosen and of notes on weights, for people. */
  readonly note: (text: string) => void
  /** Told how far the fetching of weights is. */
  readonly onWeights?: (progress: WeightsProgress) => void
  /** Loads weights in another way than by what a spec names. */
  readonly load?: LoadFleetWeights
}

/** Engine and networks of one process, each opened or loaded when it is first asked for. */
export function createProvider(options: ProviderOptions): ModelProvider {
  const { handOver } = options
  const load =
    options.load ?? ((model, source) => loadWeights(model, source, { onProgress: options.onWeights, open: openStoreFile, handOver }))
  return new ModelProvider({
    note: options.note,
    ...(options.handOver === undefined ? {} : { handOver: options.handOver }),
    openEngine: async () => {
      const engine = await openEngine({ engine: options.engine, device: options.device })
      if (options.device === 'auto' && engine.device !== 'cpu') options.note(`device: ${engine.device} (${engine.report})`)
      return engine
    },
    load: async (model, source) => {
      const loaded = await loadAnyModel(model, source, load)
      for (const text of loaded.weights.notes ?? []) options.note(`weights: ${text}`)
      return loaded
    },
  })
}
