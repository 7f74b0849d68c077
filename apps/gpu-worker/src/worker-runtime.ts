import { version } from '@layermill/core'
import type { Device, EngineName } from '@layermill/engines'
import {
  createProvider,
  type FleetWeights,
  fleetWeightsLoader,
  GradientProcessor,
  type Guard,
  type ModelProvider,
  OtherWorkers,
  PartProcessor,
  readAhead,
  startGradientWorker,
  WorkerFitness,
} from '@layermill/inference'
import { type Broker, openExchange } from '@layermill/queue'
import { openSource, openStore, type SourceAccess, storeWaits } from '@layermill/storage'
import type { WorkerLog } from './worker-log.js'
import { type FleetWorker, newWorkerId, startFleetWorker } from './worker-process.js'
import { weightsOfRun, workerWeights } from './worker-weights.js'

export interface WorkerSettings {
  readonly engine: EngineName
  readonly device: Device | 'auto'
  /** Parts at once. */
  readonly concurrency: number
  /** Milliseconds after which another worker takes over the parts of this one, where it is gone. */
  readonly lockDuration: number
  readonly health?: { readonly host: string; readonly port: number } | undefined
  /** The fleet's store of weights; undefined where each worker fetches its own. */
  readonly fleet: FleetWeights | undefined
  readonly allowPrivateWeights: boolean
}

/** Milliseconds after which a micro-batch of a worker that is gone is taken by another: its whole step waits for it. */
const gradientLock = 15_000

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

/** One worker: its engine, its parts and its micro-batches, on a queue that the caller opens and closes. */
export class WorkerRuntime {
  private readonly provider: ModelProvider
  private readonly member: Membership
  private readonly processor: PartProcessor
  private readonly reading: ConstructorParameters<typeof PartProcessor>[0] & { weightsOf: typeof weightsOfRun }
  private gradients: GradientProcessor | undefined
  private gradientWorker: { close(): Promise<unknown> } | undefined

  constructor(
    private readonly settings: WorkerSettings,
    note: (text: string) => void,
    log: WorkerLog,
  ) {
    const { engine, device, fleet, allowPrivateWeights } = settings
    this.provider = createProvider({
      engine,
      device,
      note,
      handOver: true,
      load: workerWeights(fleet, fleetWeightsLoader({ allowPrivate: allowPrivateWeights })),
    })
    this.member = new Membership(log)
    this.reading = {
      provider: this.provider,
      openStore: async (url: string) => openStore(url),
      openSource: (source: string, access?: SourceAccess) => openSource(source, { access }),
      readAhead,
      weightsOf: weightsOfRun,
    }
    this.processor = new PartProcessor({ ...this.reading, note, among: { worker: this.member.id, others: this.member.others } })
  }

  get id(): string {
    return this.member.id
  }

  /** Opens the engine. @throws LayermillError `DEVICE_UNAVAILABLE` */
  openEngine(): ReturnType<ModelProvider['openEngine']> {
    return this.provider.openEngine()
  }

  /** Takes parts off a queue, and beats. */
  async start(broker: Broker): Promise<FleetWorker> {
    const { concurrency, lockDuration, health } = this.settings
    this.gradients = new GradientProcessor({ ...this.reading, exchange: openExchange(broker.blobs), worker: this.id })
    this.member.join(broker)
    const { guard, id } = this.member
    this.member.worker = await startFleetWorker({
      broker,
      processor: this.processor,
      engine: await this.openEngine(),
      version,
      concurrency,
      lockDuration,
      ...(health === undefined ? {} : { health }),
      id,
      guard,
      waits: storeWaits,
    })
    return this.member.worker
  }

  /** Takes micro-batches as well. */
  startGradients(broker: Broker): void {
    const { lockDuration } = this.settings
    this.gradientWorker = startGradientWorker(broker, this.gradients!, {
      lockDuration: Math.min(lockDuration, gradientLock),
      guard: this.member.guard,
    })
  }

  /**
   * Takes nothing new and finishes the parts under way, within a deadline.
   * @returns the number of parts that were handed back unfinished
   */
  async drain(deadlineMs: number): Promise<number> {
    // Micro-batches under way end while the parts do, or their locks run out.
    void this.gradientWorker?.close()
    return (await this.member.worker?.drain(deadlineMs)) ?? 0
  }

  /** Ends what tells of this worker's fitness: before its queue is closed. */
  leave(): void {
    this.member.guard.fitness.close()
  }

  /** Ends engine and readers: after the queue is closed. */
  async close(): Promise<void> {
    await this.processor.close()
    await this.gradients?.close()
    await this.provider.close()
  }
}
