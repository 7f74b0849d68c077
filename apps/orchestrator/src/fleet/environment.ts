import type { RunRecord, RunSpec } from '@layermill/contracts'
import {
  calibrator,
  createProvider,
  fitReductions,
  loadAnyModel,
  type LoadFleetWeights,
  type ModelProvider,
  ownTrouble,
  precisionChooser,
  readAhead,
  namedModel,
  type NamedModel,
} from '@layermill/inference'
import { isFineTuned } from '@layermill/models'
import { type Broker, liveWorkers } from '@layermill/queue'
import type { SourceAccess } from '@layermill/storage'
import { notifyOfRun } from '../notify/run-notices.js'
import { queueNotify } from '../notify/webhook-worker.js'
import { BrokerPartQueue } from '../run/broker-part-queue.js'
import type { RunEnvironment } from '../run/environment.js'
import { MemoryNeeds } from '../service/memory-needs.js'
import { type RunWorker, type RunWorkerOptions, startRunWorker } from '../service/run-worker.js'
import { createEnvironment } from './create-environment.js'
import type { FleetEnvironmentOptions } from './environment-options.js'
import { fleetTraining } from './training.js'

type EngineSide = Required<Pick<RunEnvironment, 'calibrate' | 'choosePrecision' | 'fitReductions'>>

/**
 * Steps of runs that need an engine, one after the other, each with one that is there for as long as it takes: on the CPU, as int8 is
 * computed.
 */
function fleetEngine(load: LoadFleetWeights, note: (text: string) => void): EngineSide {
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <Result>(
    record: RunRecord,
    step: (provider: ModelProvider, note: (text: string) => void) => Promise<Result>,
  ): Promise<Result> => {
    const done = last.then(async () => {
      await using provider = createProvider({ engine: 'onnx', device: 'cpu', note, load })
      return await step(provider, text => note(`run ${record.id}: ${text}`))
    })
    last = done.catch(() => undefined)
    return done
  }
  return {
    calibrate: (record, source, signal) => inTurn(record, (provider, say) => calibrator(provider, readAhead, say)(record, source, signal)),
    choosePrecision: (record, source, signal) =>
      inTurn(record, (provider, say) => precisionChooser(provider, readAhead, say)(record, source, signal)),
    fitReductions: (record, source, signal) =>
      inTurn(record, (provider, say) => fitReductions({ record, provider, source, readAhead, signal, note: say })),
  }
}

/** Environment of a fleet's orchestrator: an engine only to calibrate int8 runs with, and weights only for as long as their hash takes. */
export function fleetEnvironment(
  broker: Broker,
  { weights, load, note, openSource, unfitDeadline }: FleetEnvironmentOptions,
): RunEnvironment {
  const environment = createEnvironment(
    async (record, store) => new BrokerPartQueue(broker, record, store.url),
    async (spec: RunSpec): Promise<NamedModel> => {
      await new MemoryNeeds().checkSpec(spec)
      const model = await loadAnyModel(spec.model, spec.weights, load)
      const { network, weights: loaded } = model
      // A fine-tuned model is where its URL says, for workers too.
      if (!isFineTuned(network)) await weights?.publish(network, loaded)
      return namedModel(model, spec, note)
    },
    note,
  )
  const open = openSource === undefined ? {} : { openSource: (source: string, access?: SourceAccess) => openSource(source, { access }) }
  return {
    ...environment,
    ...open,
    ...fleetEngine(load, note),
    workers: () => liveWorkers(broker),
    trouble: () => ownTrouble(broker),
    unfitDeadline,
  }
}

export interface FleetRunsOptions
  extends Pick<RunWorkerOptions, 'lockDuration' | 'note'>, Pick<FleetEnvironmentOptions, 'weights' | 'load' | 'openSource'> {}

/** Carries out the runs of a queue in this process. */
export function startFleetRuns(
  broker: Broker,
  environment: RunEnvironment,
  { weights, load, openSource, ...options }: FleetRunsOptions,
): RunWorker {
  const notify = queueNotify(broker)
  return startRunWorker(broker, environment, {
    ended: (run, spec) => notifyOfRun(notify, run, spec?.notify),
    ...options,
    training: fleetTraining(broker, {
      weights,
      load,
      note: options.note ?? (() => undefined),
      ...(openSource === undefined ? {} : { openSource }),
    }),
  })
}
