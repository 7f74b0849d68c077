import { selfCheck } from '@layermill/engines'
import {
  calibrator,
  createProvider,
  type ModelProvider,
  PartProcessor,
  probeRun,
  type ProviderOptions,
  readAhead,
  specNetwork,
  startPartWorker,
} from '@layermill/inference'
import type { RunSpec } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import type { Network } from '@layermill/models'
import type { RunEnvironment } from '@layermill/orchestrator/run'
import { openSource, openStore } from '@layermill/storage'
import { createEnvironment } from '@layermill/orchestrator/fleet'

export interface ComposeOptions extends Pick<ProviderOptions, 'engine' | 'device' | 'note' | 'onWeights'> {
  /**
   * When the queue is opened: at once, as for a run that will compute; at once but not waited for, where other things come first; or when it
   * is first asked for. Default: at once.
   */
  readonly queue?: 'at once' | 'meanwhile' | 'when asked for'
  /** Model and weights that will be needed first. */
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

/** Functions of the environment that need an engine at hand. */
function engineSide(provider: ModelProvider, note: (text: string) => void): Pick<RunEnvironment, 'selfCheck' | 'calibrate' | 'probe'> {
  return {
    selfCheck: async network => selfCheck(await provider.openEngine(), network),
    calibrate: calibrator(provider, readAhead, note),
    probe: (record, source, rows) => probeRun({ record, provider, source, rows, readAhead }),
  }
}

/** Wires a run's parts together; `close` ends all of it. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const provider = createProvider(options)
  const processor = new PartProcessor({
    provider,
    openStore: async url => openStore(url, options.note),
    openSource: (source, access) => openSource(source, { access }),
    readAhead,
    note: options.note,
  })
  let opening: Promise<Broker> | undefined
  const start = async (): Promise<Broker> => {
    const broker = await openBroker('embedded', { onError: error => options.note(`queue: ${error.message}`) })
    startPartWorker(broker, processor)
    return broker
  }
  const openQueue = (): Promise<Broker> => (opening ??= start())
  // The queue's database starts in a thread of its own, so the weights are loaded meanwhile.
  // The caller that asks for them is told what went wrong.
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
      // The caller that asked for the queue has been told why it could not be opened.
      await (await opening?.catch(() => undefined))?.close()
      await processor.close()
      await provider.close()
    },
  }
}
