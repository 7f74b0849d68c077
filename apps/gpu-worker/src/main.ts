import { flagBytes, flagCount, flagMilliseconds } from '@layermill/contracts'
import { exitAtLatest, exitCodes, LayermillError, untilStopped, version } from '@layermill/core'
import { createLogger } from '@layermill/core/log'
import type { Device, EngineName } from '@layermill/engines'
import {
  createProvider,
  fleetWeights,
  fleetWeightsLoader,
  GradientProcessor,
  type Guard,
  openFleetQueue,
  OtherWorkers,
  PartProcessor,
  readAhead,
  startGradientWorker,
  WorkerFitness,
} from '@layermill/inference'
import { type Broker, openExchange } from '@layermill/queue'
import { openSource, openStore, type SourceAccess, storeWaits } from '@layermill/storage'
import { drainWithParent, parseDevices, superviseDevices } from './device-workers.js'
import { WorkerLog } from './worker-log.js'
import { type FleetWorker, newWorkerId, startFleetWorker } from './worker-process.js'
import { weightsOfRun, workerWeights } from './worker-weights.js'

export interface WorkerOptions {
  queue: string
  device: string
  devices?: string
  engine: string
  concurrency: string
  host: string
  healthPort?: string
  drainDeadline: string
  weightsStore?: string
  allowPrivateWeights?: boolean
  weightsCache: string
  lockDuration: string
  logLevel: string
}

/** Levels of the log, the most talkative first. */
const logLevels = ['debug', 'info', 'warn', 'error'] as const

/** Tells the worker's own faults from those of runs, and those who want to know of them. */
class Membership {
  readonly id = newWorkerId()
  worker: FleetWorker | undefined
  readonly guard: Guard
  private workers: OtherWorkers | undefined

  constructor(log: WorkerLog) {
    const fitness = new WorkerFitness({
      onEvent: event => {
        log.fitness(event)
        this.worker?.beat()
      },
    })
    this.guard = {
      fitness,
      onFailed: job => {
        log.failed(job)
        if (job.outcome === 'handed back') this.worker?.metrics.handedBack(job.code)
      },
    }
  }

  join(broker: Broker): void {
    this.workers = new OtherWorkers(broker, this.id)
  }

  readonly others = async (run: string): Promise<readonly string[]> => (await this.workers?.fitFor(run)) ?? []
}

/** Milliseconds for connections to close, beyond the time for parts. */
const closeDeadline = 10_000

/** Milliseconds after which a micro-batch of a worker that is gone is taken by another: its whole step waits for it. */
const gradientLock = 15_000

const engines: readonly EngineName[] = ['onnx', 'tfjs']
const devices: readonly (Device | 'auto')[] = ['auto', 'cpu', 'cuda', 'webgpu', 'cpu-portable']

function oneOf<Value extends string>(flag: string, text: string, values: readonly Value[]): Value {
  const found = values.find(value => value === text)
  if (found !== undefined) return found
  throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(text)}, expected one of ${values.join(', ')}`)
}

/**
 * `layermill worker`: computes parts and micro-batches of any run until SIGTERM or Ctrl-C, then finishes what it has within the deadline.
 * @param note told of matters for people
 * @throws LayermillError `DEVICE_UNAVAILABLE`; as connecting does
 */
export async function worker(options: WorkerOptions, note: (text: string) => void): Promise<number> {
  if (options.devices !== undefined) return superviseDevices(parseDevices(options.devices), process.argv.slice(2), note)
  drainWithParent()
  const concurrency = flagCount('--concurrency', options.concurrency, 1, 64)
  const drainDeadline = flagMilliseconds('--drain-deadline', options.drainDeadline)
  const lockDuration = flagMilliseconds('--lock-duration', options.lockDuration)
  const health =
    options.healthPort === undefined ? undefined : { host: options.host, port: flagCount('--health-port', options.healthPort, 0, 65_535) }
  const fleet = fleetWeights(options.weightsStore, note, flagBytes('--weights-cache', options.weightsCache))
  const provider = createProvider({
    engine: oneOf('--engine', options.engine, engines),
    device: oneOf('--device', options.device, devices),
    note,
    load: workerWeights(fleet, fleetWeightsLoader({ allowPrivate: options.allowPrivateWeights === true })),
  })
  const reading = {
    provider,
    openStore: async (url: string) => openStore(url),
    openSource: (source: string, access?: SourceAccess) => openSource(source, { access }),
    readAhead,
    weightsOf: weightsOfRun,
  }
  const log = new WorkerLog(createLogger({ level: oneOf('--log-level', options.logLevel, logLevels) }), note)
  const member = new Membership(log)
  const processor = new PartProcessor({ ...reading, note, among: { worker: member.id, others: member.others } })
  let gradients: GradientProcessor | undefined
  // Before it takes a part: a worker without its device is of no use.
  const engine = await provider.openEngine()
  try {
    const broker = await openFleetQueue(options.queue, note)
    try {
      gradients = new GradientProcessor({ ...reading, exchange: openExchange(broker.blobs) })
      member.join(broker)
      const { guard, id } = member
      const started = await startFleetWorker({
        broker,
        processor,
        engine,
        version,
        concurrency,
        lockDuration,
        health,
        id,
        guard,
        waits: storeWaits,
      })
      member.worker = started
      // Before it is said that it is there: who hears that may stop it.
      const stopped = untilStopped()
      note(
        `worker ${started.id}: ${engine.name} on ${engine.device}, queue ${broker.describe()}${started.healthUrl === undefined ? '' : `, health at ${started.healthUrl}`}`,
      )
      log.started({ worker: id, engine: engine.name, device: engine.device, queue: broker.describe(), version, health: started.healthUrl })
      const gradientWorker = startGradientWorker(broker, gradients, { lockDuration: Math.min(lockDuration, gradientLock), guard })
      const signal = await stopped
      exitAtLatest(drainDeadline + closeDeadline, note)
      log.stopping(signal)
      // Micro-batches under way end while the parts do, or their locks run out.
      void gradientWorker.close()
      note(`${signal}: finishing the parts under way, at most ${drainDeadline / 1000} s`)
      const handedBack = await started.drain(drainDeadline)
      log.drained(handedBack)
      note(handedBack === 0 ? 'drained' : `handed back ${handedBack} unfinished part${handedBack === 1 ? '' : 's'}`)
    } finally {
      member.guard.fitness.close()
      await broker.close(5000)
    }
  } finally {
    await processor.close()
    await gradients?.close()
    await provider.close()
  }
  return exitCodes.done
}
