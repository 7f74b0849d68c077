import type { RunSpec } from '@layermill/contracts'
import {
  calibrator,
  createProvider,
  fitReductions,
  loadAnyModel,
  type LoadFleetWeights,
  ownTrouble,
  readAhead,
  specNetwork,
} from '@layermill/inference'
import { isFineTuned, type Network } from '@layermill/models'
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

/** Calibrates one run after the other, each with an engine that is there for as long as it takes: on the CPU, as int8 is computed. */
function fleetCalibration(load: LoadFleetWeights, note: (text: string) => void): NonNullable<RunEnvironment['calibrate']> {
  let last: Promise<unknown> = Promise.resolve()
  return (record, source, signal) => {
    const calibrated = last.then(async () => {
      await using provider = createProvider({ engine: 'onnx', device: 'cpu', note, load })
      return await calibrator(provider, readAhead, text => note(`run ${record.id}: ${text}`))(record, source, signal)
    })
    last = calibrated.catch(() => undefined)
    return calibrated
  }
}

/** Fits one run's reductions after the other's, each with an engine that is there for as long as it takes. */
function fleetReductions(load: LoadFleetWeights, note: (text: string) => void): NonNullable<RunEnvironment['fitReductions']> {
  let last: Promise<unknown> = Promise.resolve()
  return (record, source, signal) => {
    const fitted = last.then(async () => {
      await using provider = createProvider({ engine: 'onnx', device: 'cpu', note, load })
      return await fitReductions({ record, provider, source, readAhead, signal, note: text => note(`run ${record.id}: ${text}`) })
    })
    last = fitted.catch(() => undefined)
    return fitted
  }
}

/** Environment of a fleet's orchestrator: an engine only to calibrate int8 runs with, and weights only for as long as their hash takes. */
export function fleetEnvironment(
  broker: Broker,
  { weights, load, note, openSource, unfitDeadline }: FleetEnvironmentOptions,
): RunEnvironment {
  const environment = createEnvironment(
    async (record, store) => new BrokerPartQueue(broker, record, store.url),
    async (spec: RunSpec): Promise<{ network: Network; weightsSha256: string }> => {
      await new MemoryNeeds().checkSpec(spec)
      const model = await loadAnyModel(spec.model, spec.weights, load)
      const { network, weights: loaded } = model
      // A fine-tuned model is where its URL says, for workers too.
      if (!isFineTuned(network)) await weights?.publish(network, loaded)
      return { network: specNetwork(model, spec, note), weightsSha256: loaded.sha256 }
    },
    note,
  )
  const open = openSource === undefined ? {} : { openSource: (source: string, access?: SourceAccess) => openSource(source, { access }) }
  return {
    ...environment,
    ...open,
    calibrate: fleetCalibration(load, note),
    fitReductions: fleetReductions(load, note),
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
