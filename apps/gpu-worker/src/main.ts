import { flagBytes, flagCount, flagMilliseconds } from '@layermill/contracts'
import { exitAtLatest, exitCodes, untilStopped, version } from '@layermill/core'
import { createLogger } from '@layermill/core/log'
import { fleetWeights, openFleetQueue } from '@layermill/inference'
import { configureDecoding } from '@layermill/preprocess'
import { drainWithParent, parseDevices, superviseDevices } from './device-workers.js'
import { devices, engines, oneOf } from './worker-choices.js'
import { WorkerLog } from './worker-log.js'
import { WorkerRuntime } from './worker-runtime.js'

export { type LocalWorkers, type LocalWorkersOptions, startLocalWorkers } from './local-workers.js'

export interface WorkerOptions {
  queue: string
  device: string
  devices?: string
  engine: string
  concurrency: string
  threads?: string
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

/** Milliseconds for connections to close, beyond the time for parts. */
const closeDeadline = 10_000

/**
 * `layermill worker`: computes parts and micro-batches of any run until SIGTERM or Ctrl-C, then finishes what it has within the deadline.
 * @param note told of matters for people
 * @throws LayermillError `DEVICE_UNAVAILABLE`; as connecting does
 */
export async function worker(options: WorkerOptions, note: (text: string) => void): Promise<number> {
  if (options.devices !== undefined) return superviseDevices(parseDevices(options.devices), process.argv.slice(2), note)
  drainWithParent()
  configureDecoding()
  // Everything that computes in this process looks for it there.
  if (options.threads !== undefined) process.env['LAYERMILL_THREADS'] = String(flagCount('--threads', options.threads, 1, 1024))
  const concurrency = flagCount('--concurrency', options.concurrency, 1, 64)
  const drainDeadline = flagMilliseconds('--drain-deadline', options.drainDeadline)
  const lockDuration = flagMilliseconds('--lock-duration', options.lockDuration)
  const health =
    options.healthPort === undefined ? undefined : { host: options.host, port: flagCount('--health-port', options.healthPort, 0, 65_535) }
  const log = new WorkerLog(createLogger({ level: oneOf('--log-level', options.logLevel, logLevels) }), note)
  const runtime = new WorkerRuntime(
    {
      engine: oneOf('--engine', options.engine, engines),
      device: oneOf('--device', options.device, devices),
      concurrency,
      lockDuration,
      health,
      fleet: fleetWeights(options.weightsStore, note, flagBytes('--weights-cache', options.weightsCache)),
      allowPrivateWeights: options.allowPrivateWeights === true,
    },
    note,
    log,
  )
  try {
    // Before it takes a part: a worker without its device is of no use.
    const engine = await runtime.openEngine()
    const broker = await openFleetQueue(options.queue, note)
    try {
      const { id, healthUrl } = await runtime.start(broker)
      // Before it is said that it is there: who hears that may stop it.
      const stopped = untilStopped()
      note(
        `worker ${id}: ${engine.name} on ${engine.device}, queue ${broker.describe()}${healthUrl === undefined ? '' : `, health at ${healthUrl}`}`,
      )
      log.started({ worker: id, engine: engine.name, device: engine.device, queue: broker.describe(), version, health: healthUrl })
      runtime.startGradients(broker)
      const signal = await stopped
      exitAtLatest(drainDeadline + closeDeadline, note)
      log.stopping(signal)
      note(`${signal}: finishing the parts under way, at most ${drainDeadline / 1000} s`)
      const handedBack = await runtime.drain(drainDeadline)
      log.drained(handedBack)
      note(handedBack === 0 ? 'drained' : `handed back ${handedBack} unfinished part${handedBack === 1 ? '' : 's'}`)
    } finally {
      runtime.leave()
      await broker.close(5000)
    }
  } finally {
    await runtime.close()
  }
  return exitCodes.done
}
