import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { WaitsFor, WorkerBeat } from '@layermill/contracts'
import { endsWithin } from '@layermill/core'
import type { Broker } from '@layermill/queue'
import { type Guard, startPartWorker, type WorkerProcessor } from '@layermill/inference'
import { createHealthServer, type HealthServer } from './health.js'
import { Heartbeat } from './heartbeat.js'
import { WorkerMetrics } from './metrics.js'
import { WorkerActivity } from './worker-activity.js'

export interface FleetWorkerOptions {
  readonly broker: Broker
  readonly processor: WorkerProcessor
  /** How the worker names itself. Default: see `newWorkerId`. */
  readonly id?: string
  /** Tells the worker's own faults from those of runs; with it they go to another worker. */
  readonly guard?: Guard
  /** Reasons for which it waits just now, for its heartbeats. */
  readonly waits?: () => readonly WaitsFor[]
  /** Name and device of the engine in use. */
  readonly engine: { readonly name: string; readonly device: string }
  readonly version: string
  /** Parts at once. Default 2. */
  readonly concurrency?: number
  /** See `startPartWorker`. */
  readonly lockDuration?: number
  /** Milliseconds between heartbeats. Default 5 s. */
  readonly heartbeatInterval?: number
  /** Host and port on which health and metrics are served, if at all. */
  readonly health?: { readonly host: string; readonly port: number }
}

export interface FleetWorker {
  readonly id: string
  readonly metrics: WorkerMetrics
  /** Beats at once: something changed that others should know. */
  beat(): void
  /** Address of health and metrics. */
  readonly healthUrl: string | undefined
  /**
   * Takes nothing new and finishes the parts under way; what is not finished by the deadline goes back to the queue at once.
   * @returns how many parts were handed back
   */
  drain(deadlineMs: number): Promise<number>
}

/** A name for a worker: its machine, its process, and what tells it from one that had both before. */
export function newWorkerId(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`
}

/** How long parts that are told to stop get to do so, in milliseconds: they look between batches. */
const stopDeadline = 5000

/**
 * A worker of a fleet: takes parts of any run, beats, and tells its health. The broker and what the processor uses are the caller's to
 * close.
 */
export async function startFleetWorker(options: FleetWorkerOptions): Promise<FleetWorker> {
  const { broker, engine, version } = options
  const host = hostname()
  const id = options.id ?? newWorkerId()
  const started = new Date().toISOString()
  const metrics = new WorkerMetrics({ version, device: engine.device, engine: engine.name })
  const activity = new WorkerActivity(metrics)
  let draining = false
  const beat = (): WorkerBeat => {
    const { jobs, imagesPerSecond } = activity
    const state = draining ? 'draining' : jobs.length > 0 ? 'busy' : 'idle'
    const unfit = options.guard?.fitness.list ?? []
    const waits = options.waits?.() ?? []
    metrics.setUnfit(unfit.map(({ code }) => code))
    return {
      id,
      host,
      state,
      device: engine.device,
      engine: engine.name,
      version,
      started,
      seen: new Date().toISOString(),
      jobs,
      imagesPerSecond,
      ...(unfit.length === 0 ? {} : { unfit }),
      ...(waits.length === 0 ? {} : { waits: [...waits] }),
    }
  }
  const heartbeat = new Heartbeat(broker, { interval: options.heartbeatInterval, beat })
  await heartbeat.start()
  const worker = startPartWorker(broker, activity.watch(options.processor), {
    concurrency: options.concurrency,
    lockDuration: options.lockDuration,
    ...(options.guard === undefined ? {} : { guard: options.guard }),
  })
  let health: HealthServer | undefined
  if (options.health !== undefined)
    health = await createHealthServer({ ...options.health, metrics, alive: () => true, ready: () => !draining && worker.isRunning() })
  return {
    id,
    metrics,
    beat: () => void heartbeat.beat(),
    healthUrl: health?.url,
    async drain(deadlineMs) {
      draining = true
      metrics.setDraining(true)
      const closed = worker.close()
      void heartbeat.beat()
      let handedBack = 0
      if (!(await endsWithin(closed, deadlineMs))) {
        handedBack = activity.jobs.length
        worker.cancelAllJobs('the worker is shutting down')
        await endsWithin(closed, stopDeadline)
      }
      await endsWithin(heartbeat.stop(), 1000)
      await health?.close()
      return handedBack
    },
  }
}
