import { randomBytes } from 'node:crypto'
import { type Device, type EngineName, openEngine, selfCheck } from '@layermill/engines'
import { classLabels, ModelProvider, PartProcessor, probeSecondsPerImage, startPartWorker } from '@layermill/gpu-worker'
import { type Broker, openBroker, type RunSpec } from '@layermill/jobs'
import { getNetwork, loadWeights, type Network, type WeightsProgress } from '@layermill/models'
import { BrokerPartQueue, type RunEnvironment } from '@layermill/orchestrator'
import { PREPARE_VERSION } from '@layermill/preprocess'
import { openSource, openStore } from '@layermill/storage'
import { version } from './version.js'

/** Images computed at once where nothing is said. */
const defaultBatchSize = 8
/** Images read and decoded at once for a part. */
const readAhead = 16

export interface ComposeOptions {
  /** URL of the queue; undefined is the one in this process, with a worker beside it. */
  readonly queue: string | undefined
  readonly engine: EngineName
  readonly device: Device | 'auto'
  /** Told of what happens behind a run, for people. */
  readonly note: (text: string) => void
  /** Told how far the fetching of weights is. */
  readonly onWeights?: (progress: WeightsProgress) => void
}

/** Orchestrator and, where the queue is in this process, a worker: wired together. */
export interface Composition {
  readonly environment: RunEnvironment
  readonly provider: ModelProvider
  readonly broker: Broker
  close(): Promise<void>
}

export function createProvider(options: Pick<ComposeOptions, 'engine' | 'device' | 'note' | 'onWeights'>): ModelProvider {
  return new ModelProvider({
    openEngine: async () => {
      const engine = await openEngine({ engine: options.engine, device: options.device })
      if (options.device === 'auto' && engine.device !== 'cpu') options.note(`device: ${engine.device} (${engine.report})`)
      return engine
    },
    load: async (model, source) => {
      const weights = await loadWeights(model, source, { onProgress: options.onWeights })
      const network = getNetwork(model, weights.variant)
      return { network, weights, labels: classLabels(network.classes) }
    },
  })
}

/** What needs an engine at hand. */
function engineSide(provider: ModelProvider): Pick<RunEnvironment, 'selfCheck' | 'probe'> {
  return {
    selfCheck: async network => selfCheck(await provider.openEngine(), network),
    probe: (record, source, rows) => probeSecondsPerImage({ record, provider, source, rows, readAhead }),
  }
}

function createEnvironment(broker: Broker, provider: ModelProvider): RunEnvironment {
  return {
    openStore: async url => openStore(url),
    openSource: source => openSource(source),
    queue: async (record, store) => new BrokerPartQueue(broker, record, store.url),
    model: async (spec: RunSpec) => {
      const { network, weights } = await provider.model(spec.model, spec.weights)
      return { network, weightsSha256: weights.sha256 }
    },
    ...(broker.kind === 'embedded' ? engineSide(provider) : {}),
    batchSize: (_network: Network) => defaultBatchSize,
    preparationVersion: PREPARE_VERSION,
    versions: { layermill: version, node: process.version },
    now: () => new Date(),
    newId: kind => `${kind}-${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(4).toString('hex')}`,
  }
}

/** Opens the queue and wires a run's parts together; `close` ends all of it. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const broker = await openBroker(options.queue, { onError: error => options.note(`queue: ${error.message}`) })
  const provider = createProvider(options)
  const processor = new PartProcessor({ provider, openStore: async url => openStore(url), openSource: source => openSource(source), readAhead })
  if (broker.kind === 'embedded') startPartWorker(broker, processor)
  return {
    broker,
    provider,
    environment: createEnvironment(broker, provider),
    close: async () => {
      await broker.close()
      await processor.close()
      await provider.close()
    },
  }
}
