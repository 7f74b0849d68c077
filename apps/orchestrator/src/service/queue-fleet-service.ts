import {
  beatTimeout,
  type FleetService,
  type FleetState,
  type QueueDepth,
  type QueueJob,
  type QueueJobPage,
  type QueueJobQuery,
  queueNames,
  readBeat,
  type ReadinessCheck,
  type WorkerBeat,
  type WorkerInfo,
} from '@layermill/contracts'
import type { Broker } from '@layermill/queue'
import { errorMessage } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { QueueJobs } from './queue-jobs.js'

/** Heartbeats of workers that ended without a word are removed after so many milliseconds. */
const forgetAfter = 10 * 60_000

/** Queues that workers take jobs from. */
const workedOff = [queueNames.parts, queueNames.gradients]
const depthNames = [queueNames.runs, queueNames.parts, queueNames.gradients]

export interface QueueFleetOptions {
  /** The fleet's store of weights, if there is one: it is part of being ready. */
  readonly weightsStore?: Store
  /** Goes on with a run that has ended; what trying its job again means. */
  readonly resumeRun: (id: string) => Promise<unknown>
  readonly now?: () => number
}

/** The fleet as its queue tells it. */
export class QueueFleetService implements FleetService {
  private readonly queueJobs: QueueJobs

  constructor(
    private readonly broker: Broker,
    private readonly options: QueueFleetOptions,
  ) {
    this.queueJobs = new QueueJobs(broker, { resumeRun: options.resumeRun, workers: () => this.workers() })
  }

  async workers(): Promise<WorkerInfo[]> {
    const now = (this.options.now ?? Date.now)()
    const jobs = await this.broker.queue<WorkerBeat>(queueNames.workers).getJobs(['waiting'])
    const workers: WorkerInfo[] = []
    for (const job of jobs) {
      const beat = readBeat(job?.data)
      const age = beat === undefined ? Infinity : now - Date.parse(beat.seen)
      if (beat !== undefined && age < beatTimeout) workers.push(beat)
      else if (age > forgetAfter) await job?.remove().catch(() => undefined)
    }
    return workers.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async queues(): Promise<QueueDepth[]> {
    return Promise.all(
      depthNames.map(async queue => {
        const { waiting, prioritized, delayed, due, active, failed } = await this.broker.counts(queue)
        return { queue, waiting, prioritized, delayed, due, active, failed }
      }),
    )
  }

  jobs(queue: string, query: QueueJobQuery): Promise<QueueJobPage> {
    return this.queueJobs.list(queue, query)
  }

  retryJob(queue: string, id: string): Promise<QueueJob> {
    return this.queueJobs.retry(queue, id)
  }

  removeJob(queue: string, id: string): Promise<void> {
    return this.queueJobs.remove(queue, id)
  }

  async pause(): Promise<FleetState> {
    for (const name of workedOff) await this.broker.queue(name).pause()
    return { paused: true }
  }

  async resume(): Promise<FleetState> {
    for (const name of workedOff) await this.broker.queue(name).resume()
    return { paused: false }
  }

  async state(): Promise<FleetState> {
    return { paused: await this.broker.queue(queueNames.parts).isPaused() }
  }

  async ready(): Promise<ReadinessCheck[]> {
    const check = async (name: string, action: () => Promise<unknown>): Promise<ReadinessCheck> => {
      try {
        await action()
        return { name, ok: true }
      } catch (error) {
        return { name, ok: false, detail: errorMessage(error) }
      }
    }
    const { weightsStore } = this.options
    return Promise.all([
      check('queue', () => this.broker.counts(queueNames.runs)),
      ...(weightsStore === undefined ? [] : [check('weights store', () => weightsStore.stat('weights/none'))]),
    ])
  }
}
