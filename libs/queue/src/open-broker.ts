import { JobWorker } from './job-worker.js'
import { endsWithin, LayermillError, redact } from '@layermill/core'
import { type IQueueBackend, Queue, QueueEvents } from 'bullmq'
import type { BlobStore, BrokerKind, Factory, QueueServer } from './backend.js'
import type { Broker, BrokerOptions, CloseReport, JobEvents, JobProcessor, JobQueue, JobWorkerOptions, QueueCounts } from './broker.js'
import { nextTime, payloadLimit } from '@layermill/contracts'

/** Milliseconds for which a connection's end is waited for. */
const endsSoon = 1000

/**
 * Events from the moment on that they were opened. A cluster's connection takes a while to read its first, and would lose those till then.
 */
class OpenEvents extends QueueEvents<unknown, IQueueBackend, unknown> {
  private readonly started: Promise<void>

  constructor(name: string, factory: Factory, server: QueueServer) {
    super(name, { connection: {}, autorun: false }, factory)
    this.started = this.start(server)
    this.started.catch(() => undefined)
  }

  override async waitUntilReady(): Promise<void> {
    await super.waitUntilReady()
    await this.started
  }

  /**
   * BullMQ waits for its connection to tell its end. One that just waits to connect again, as to a server that is being restarted, never
   * does: whoever closed then waited for ever.
   */
  override async close(): Promise<void> {
    await endsWithin(super.close(), endsSoon)
  }

  private async start(server: QueueServer): Promise<void> {
    const from = await server.eventsFrom?.()
    if (from !== undefined) Object.assign(this.opts, { lastEventId: from })
    if (this.closing === undefined)
      this.run().catch((error: unknown) => this.emit('error', error instanceof Error ? error : new Error(String(error))))
  }
}

const defaultJobOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 1000, jitter: 0.5 },
  removeOnComplete: { count: 1000, age: 3600 },
  removeOnFail: { count: 10_000, age: 7 * 24 * 3600 },
  sizeLimit: payloadLimit,
  stackTraceLimit: 5,
}

/** BullMQ's own follows its cron library, which loses and doubles times on days when clocks change. */
const repeatStrategy = (after: number, { pattern = '', tz = 'UTC' }: { pattern?: string; tz?: string }): number | undefined =>
  nextTime(pattern, tz, after)
const workerDefaults = { lockDuration: 60_000, stalledInterval: 30_000, maxStalledCount: 3 }

/** A connected broker; `openBroker` makes them. */
export class OpenBroker implements Broker {
  private readonly server: QueueServer
  private readonly factory: Factory
  private readonly onError: (error: Error) => void
  private readonly queues = new Map<string, JobQueue<unknown>>()
  private readonly workers = new Set<{ readonly name: string; close(): Promise<void>; abandon(): Promise<void> }>()
  private readonly openedEvents = new Set<JobEvents>()
  private closing: Promise<CloseReport> | undefined

  constructor(server: QueueServer, options: BrokerOptions) {
    this.server = server
    this.factory = server.factory
    this.onError = error => {
      // Closing cuts connections under BullMQ's feet; what it says about that helps nobody.
      if (this.closing === undefined) options.onError?.(new LayermillError('QUEUE_FAILED', redact(error.message)))
    }
  }

  get kind(): BrokerKind {
    return this.server.kind
  }
  get blobs(): BlobStore {
    return this.server.blobs
  }
  describe(): string {
    return this.server.description
  }

  queue<T, R = unknown>(name: string): JobQueue<T, R> {
    this.check(name)
    const known = this.queues.get(name)
    // One queue object for one name: what its jobs are is between those who use the name.
    if (known !== undefined) return known as unknown as JobQueue<T, R>
    const queue = new Queue<T, R, string, T, R, string, IQueueBackend, unknown>(
      name,
      { connection: {}, defaultJobOptions, settings: { repeatStrategy } },
      this.factory,
    )
    queue.on('error', this.onError)
    this.queues.set(name, queue)
    return queue
  }

  worker<T, R = unknown>(name: string, processor: JobProcessor<T, R>, options: JobWorkerOptions = {}): JobWorker<T, R> {
    this.check(name)
    const worker = new JobWorker<T, R>(
      name,
      processor,
      { ...workerDefaults, ...options, connection: {}, settings: { repeatStrategy } },
      this.factory,
    )
    worker.on('error', this.onError)
    this.workers.add(worker)
    worker.on('closed', () => this.workers.delete(worker))
    return worker
  }

  events(name: string): JobEvents {
    this.check(name)
    const events = new OpenEvents(name, this.factory, this.server)
    events.on('error', this.onError)
    this.openedEvents.add(events)
    return events
  }

  async counts(name: string): Promise<QueueCounts> {
    const queue = this.queue(name)
    const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'completed', 'failed')
    const of = (state: string): number => counts[state] ?? 0
    const due = of('delayed') > 0 ? await this.due(queue) : 0
    return {
      waiting: of('waiting'),
      prioritized: of('prioritized'),
      active: of('active'),
      delayed: of('delayed'),
      due,
      paused: await queue.isPaused(),
      completed: of('completed'),
      failed: of('failed'),
      load: of('waiting') + of('prioritized') + due + of('active'),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  close(deadlineMs = 10_000): Promise<CloseReport> {
    this.closing ??= this.closeAll(deadlineMs)
    return this.closing
  }

  private async due(queue: JobQueue<unknown>): Promise<number> {
    const now = Date.now()
    const jobs = await queue.getDelayed(0, 999)
    // A retry's delay counts from when it failed, which is after it was last taken.
    return jobs.filter(job => Math.max(job.timestamp, job.processedOn ?? 0) + job.delay <= now).length
  }

  private async closeAll(deadlineMs: number): Promise<CloseReport> {
    const deadline = Date.now() + deadlineMs
    const left = (): number => Math.max(0, deadline - Date.now())
    const workers = [...this.workers]
    const finished = new Set<unknown>()
    await endsWithin(
      Promise.all(
        workers.map(async worker => {
          await worker.close()
          finished.add(worker)
        }),
      ),
      left(),
    )
    const unfinished = workers.filter(worker => !finished.has(worker))
    await endsWithin(Promise.allSettled(unfinished.map(worker => worker.abandon())), 1000)
    // Nothing below waits for people's code; a second is ample unless the server is gone.
    const ended = await endsWithin(
      Promise.allSettled([
        ...[...this.queues.values()].map(queue => queue.close()),
        ...[...this.openedEvents].map(events => events.close()),
      ]),
      Math.max(1000, left()),
    )
    await endsWithin(this.server.close(), 2000)
    return { clean: ended && unfinished.length === 0, unfinished: unfinished.map(({ name }) => name) }
  }

  private check(name: string): void {
    if (this.closing !== undefined) throw new LayermillError('QUEUE_CLOSED', `queue ${name}: the broker is closed`)
  }
}
