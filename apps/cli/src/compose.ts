import {
  calibrator,
  precisionChooser,
  checkEngine,
  createProvider,
  fitReductions,
  type ModelProvider,
  PartProcessor,
  probeRun,
  type ProviderOptions,
  readAhead,
  namedModel,
  type NamedModel,
  storeTrouble,
} from '@layermill/inference'
import type { RunSpec } from '@layermill/contracts'
import { LocalPartQueue, type RunEnvironment } from '@layermill/orchestrator/run'
import type { TrainingEnvironment } from '@layermill/orchestrator/train'
import { openSource, openStore } from '@layermill/storage'
import { createEnvironment, localGradients, trainingEnvironment } from '@layermill/orchestrator/local'

export type ComposeOptions = Pick<ProviderOptions, 'engine' | 'device' | 'note' | 'onWeights' | 'handOver'>

/** Model and engine that a run will need soon. Each takes its time to start, as planning does. */
export interface Needs {
  readonly model?: { readonly model: string; readonly weights: string }
  readonly engine?: boolean
}

/** Orchestrator and worker in one process, wired together. Each part is opened when it is first needed. */
export interface Composition extends AsyncDisposable {
  readonly environment: RunEnvironment
  readonly training: TrainingEnvironment
  readonly provider: ModelProvider
  /** Begins to open what will be needed, all at once. Nobody waits for it: a caller that needs a part is told where it cannot be opened. */
  warm(needs: Needs): void
  close(): Promise<void>
}

/** Functions of the environment that need an engine at hand. */
function engineSide(
  provider: ModelProvider,
  note: (text: string) => void,
): Pick<RunEnvironment, 'selfCheck' | 'calibrate' | 'choosePrecision' | 'fitReductions' | 'probe'> {
  return {
    selfCheck: async (network, layers, size) => checkEngine(await provider.openEngine(), network, layers, size),
    calibrate: calibrator(provider, readAhead, note),
    choosePrecision: precisionChooser(provider, readAhead, note),
    fitReductions: (record, source, signal) => fitReductions({ record, provider, source, readAhead, signal, note }),
    probe: (record, source, rows) => probeRun({ record, provider, source, rows, readAhead }),
  }
}

/** Wires a run's parts together and opens none of them; `close` ends those that were opened. */
export function compose(options: ComposeOptions): Composition {
  const { note } = options
  const provider = createProvider(options)
  const processor = new PartProcessor({
    provider,
    openStore: async url => openStore(url, note),
    openSource: (source, access) => openSource(source, { access }),
    readAhead,
    note,
  })
  const queues: LocalPartQueue[] = []
  const queue: RunEnvironment['queue'] = async (record, store) => {
    const opened = new LocalPartQueue({ record, storeUrl: store.url, processor })
    queues.push(opened)
    return opened
  }
  const model = async (spec: RunSpec): Promise<NamedModel> => namedModel(await provider.outline(spec.model, spec.weights), spec, note)
  const environment = { ...createEnvironment(queue, model, note), ...engineSide(provider, note), trouble: storeTrouble }
  const close = async (): Promise<void> => {
    await Promise.all(queues.map(each => each.close()))
    await processor.close()
    await provider.close()
  }
  return {
    environment,
    training: trainingEnvironment(environment, provider, localGradients(provider)),
    provider,
    warm(needs) {
      const started = [
        needs.model === undefined ? undefined : provider.outline(needs.model.model, needs.model.weights),
        needs.engine === true ? provider.openEngine() : undefined,
      ]
      for (const part of started) void part?.catch(() => undefined)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
