import type { createLogger } from '@layermill/core/log'
import type { FleetWeights } from '@layermill/inference'
import { configureDecoding } from '@layermill/preprocess'
import type { Broker } from '@layermill/queue'
import { devices, oneOf } from './worker-choices.js'
import { WorkerLog } from './worker-log.js'
import { WorkerRuntime } from './worker-runtime.js'

export interface LocalWorkersOptions {
  /** How many; each has an engine of its own. */
  readonly count: number
  /** As `--device` gives it. */
  readonly device: string
  /** Milliseconds after which the parts of one that is gone are taken over. */
  readonly lockDuration: number
  readonly weights: FleetWeights | undefined
  readonly allowPrivateWeights: boolean
  readonly logger: ReturnType<typeof createLogger>
}

/** Workers inside the process of `layermill serve`. */
export interface LocalWorkers {
  /**
   * Takes nothing new and finishes the parts under way; those that are not finished by the deadline go back to the queue.
   * To be called before the queue is closed.
   */
  drain(deadlineMs: number): Promise<void>
  /** Ends the engines. To be called after the queue is closed. */
  close(): Promise<void>
}

/** Parts at once of each worker: reading one hides behind computing the other. */
const concurrency = 2

/**
 * Starts workers on a queue of this process, as `layermill worker` does in one of its own.
 * @throws LayermillError `DEVICE_UNAVAILABLE`, `SPEC_INVALID` for a device that there is not
 */
export async function startLocalWorkers(broker: Broker, options: LocalWorkersOptions): Promise<LocalWorkers> {
  const { count, device, lockDuration, weights, allowPrivateWeights, logger } = options
  const note = (text: string): void => logger.info(text)
  const log = new WorkerLog(logger, note)
  const settings = {
    engine: 'onnx',
    device: oneOf('--device', device, devices),
    concurrency,
    lockDuration,
    fleet: weights,
    allowPrivateWeights,
  } as const
  const runtimes = Array.from({ length: count }, () => new WorkerRuntime(settings, note, log))
  const close = async (): Promise<void> => {
    for (const runtime of runtimes) runtime.leave()
    await Promise.all(runtimes.map(runtime => runtime.close()))
  }
  configureDecoding()
  try {
    for (const runtime of runtimes) {
      const engine = await runtime.openEngine()
      await runtime.start(broker)
      runtime.startGradients(broker)
      logger.info({ worker: runtime.id, engine: engine.name, device: engine.device }, 'taking jobs')
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    drain: async deadlineMs => {
      const handedBack = await Promise.all(runtimes.map(runtime => runtime.drain(deadlineMs)))
      log.drained(handedBack.reduce((sum, parts) => sum + parts, 0))
    },
    close,
  }
}
