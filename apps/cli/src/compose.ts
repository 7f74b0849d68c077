import { randomBytes } from 'node:crypto'
import { type Device, type EngineName, openEngine, selfCheck } from '@layermill/engines'
import { ModelProvider, PartProcessor, probeRun, startPartWorker } from '@layermill/inference'
import type { RunSpec } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import type { Network } from '@layermill/models'
import { loadWeights, type WeightSet, type WeightsProgress } from '@layermill/weights'
import { BrokerPartQueue, type RunEnvironment } from '@layermill/orchestrator/run'
import { PREPARE_VERSION } from '@layermill/preprocess'
import { openSource, openStore } from '@layermill/storage'
import { calibrator } from './calibration.js'
import { openStoreFile } from './fleet/weights-file.js'
import { loadAnyModel, specNetwork } from './library/any-model.js'
import { version } from './version.js'

/** Images read and decoded at once for a part. */
export const readAhead = 16

export interface ComposeOptions {
  readonly engine: EngineName
  readonly device: Device | 'auto'
  /** Told of what happens behind a run, for people. */
  readonly note: (text: string) => void
  /** Told how far the fetching of weights is. */
  readonly onWeights?: (progress: WeightsProgress) => void
  /**
   * When the queue is opened: at once, as for a run that will compute; at once but not waited for, where other things come first; or when it
   * is first asked for. Default: at once.
   */
  readonly queue?: 'at once' | 'meanwhile' | 'when asked for'
  /** What will be needed first. */
  readonly soon?: { readonly model: string; readonly weights: string }
  /** Whether the engine will be needed, so that it is opened meanwhile. Default: when a network first runs. */
  readonly engineSoon?: boolean
}

/** Orchestrator, queue and worker in one process, wired together. */
export interface Composition {
  readonly environment: RunEnvironment
  readonly provider: ModelProvider
  /** The queue, with a worker on it; the same every time. @throws LayermillError as `openBroker` does */
  openQueue(): Promise<Broker>
  close(): Promise<void>
}

export interface ProviderOptions extends Pick<ComposeOptions, 'engine' | 'device' | 'note' | 'onWeights'> {
  /** Loads weights in another way than by what a spec names. */
  readonly load?: (model: string, source: string) => Promise<WeightSet>
}

export function createProvider(options: ProviderOptions): ModelProvider {
  const load = options.load ?? ((model, source) => loadWeights(model, source, { onProgress: options.onWeights, open: openStoreFile }))
  return new ModelProvider({
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

/** What needs an engine at hand. */
function engineSide(provider: ModelProvider, note: (text: string) => void): Pick<RunEnvironment, 'selfCheck' | 'calibrate' | 'probe'> {
  return {
    selfCheck: async network => selfCheck(await provider.openEngine(), network),
    calibrate: calibrator(provider, readAhead, note),
    probe: (record, source, rows) => probeRun({ record, provider, source, rows, readAhead }),
  }
}

/** The world of a run's supervisor; `openQueue` is asked when a run has parts to compute, `model` loads the network that a spec names; `note` is told what people should know. */
export function createEnvironment(openQueue: () => Promise<Broker>, model: RunEnvironment['model'], note: (text: string) => void): RunEnvironment {
  return {
    openStore: async url => openStore(url, note),
    openSource: (source, access) => openSource(source, { access }),
    queue: async (record, store) => new BrokerPartQueue(await openQueue(), record, store.url),
    model,
    preparationVersion: PREPARE_VERSION,
    versions: { layermill: version, node: process.version },
    now: () => new Date(),
    newId: kind => `${kind}-${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(4).toString('hex')}`,
  }
}

/** Wires a run's parts together; `close` ends all of it. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const provider = createProvider(options)
  const processor = new PartProcessor({ provider, openStore: async url => openStore(url, options.note), openSource: (source, access) => openSource(source, { access }), readAhead, note: options.note })
  let opening: Promise<Broker> | undefined
  const start = async (): Promise<Broker> => {
    const broker = await openBroker('embedded', { onError: error => options.note(`queue: ${error.message}`) })
    startPartWorker(broker, processor)
    return broker
  }
  const openQueue = (): Promise<Broker> => (opening ??= start())
  // The queue's database starts in a thread of its own, so the weights are loaded meanwhile. Who asks for them is told what went wrong.
  if (options.soon !== undefined) void provider.model(options.soon.model, options.soon.weights).catch(() => undefined)
  if (options.engineSoon === true) void provider.openEngine().catch(() => undefined)
  if (options.queue === 'meanwhile') void openQueue().catch(() => undefined)
  else if (options.queue !== 'when asked for') await openQueue()
  const model = async (spec: RunSpec): Promise<{ network: Network; weightsSha256: string }> => {
    const loaded = await provider.model(spec.model, spec.weights)
    return { network: specNetwork(loaded, spec, options.note), weightsSha256: loaded.weights.sha256 }
  }
  return {
    openQueue,
    provider,
    environment: { ...createEnvironment(openQueue, model, options.note), ...engineSide(provider, options.note) },
    close: async () => {
      // What it could not be opened for has been told to who asked for it.
      await (await opening?.catch(() => undefined))?.close()
      await processor.close()
      await provider.close()
    },
  }
}
