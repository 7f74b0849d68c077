import { LayermillError } from '@layermill/models'
import { type IQueueBackend, type Job, type JobsOptions, Queue, QueueEvents, Worker, type WorkerOptions } from 'bullmq'
import type { BlobStore, BrokerKind, Factory, QueueServer, ServerOptions } from './backend.js'
import { payloadLimit } from './payloads.js'
import { openEmbeddedServer, openPostgresServer } from './postgres-server.js'
import { redact } from './redact.js'
import { openRedisServer } from './redis-server.js'

export type JobQueue<T, R = unknown> = Queue<T, R, string, T, R, string, IQueueBackend, unknown>
export type JobEvents = QueueEvents<unknown, IQueueBackend, unknown>
export type QueuedJob<T, R = unknown> = Job<T, R>
export type { JobsOptions, JobState } from 'bullmq'
export type JobProcessor<T, R> = (job: Job<T, R>, token: string | undefined, signal: AbortSignal | undefined) => Promise<R>

/** What a worker may be told; the rest of BullMQ's options is fixed here. */
export type JobWorkerOptions = Pick<WorkerOptions, 'concurrency' | 'name' | 'autorun' | 'lockDuration' | 'lockRenewTime' | 'stalledInterval'
  | 'maxStalledCount' | 'drainDelay' | 'limiter'>

export interface QueueCounts {
  waiting: number
  prioritized: number
  active: number
  delayed: number
  /** Of `delayed`, those whose time has about come (they wait for a worker to wake them); counted up to 1,000. */
  due: number
  /** Whether workers may take none for now. */
  paused: boolean
  completed: number
  failed: number
  /** waiting + prioritized + due + active: what workers are needed for. */
  load: number
}

export interface CloseReport {
  /** Whether all finished in time. */
  clean: boolean
  /** Queues whose worker still had a job; it will be taken up again when its lock runs out. */
  unfinished: string[]
}

export interface Broker {
  readonly kind: BrokerKind
  /** Bytes under a key, for the exchange of tensors. */
  readonly blobs: BlobStore
  /** For people and logs; never with credentials. */
  describe(): string
  /** A queue, the same object for the same name. */
  queue<T, R = unknown>(name: string): JobQueue<T, R>
  /** Takes jobs until it or the broker is closed. Lock 60 s, renewed; a job whose worker is gone is taken up again, three times at most. */
  worker<T, R = unknown>(name: string, processor: JobProcessor<T, R>, options?: JobWorkerOptions): JobWorker<T, R>
  /** What happens on a queue, as it happens. Capped and lossy: for progress, never for truth. */
  events(name: string): JobEvents
  counts(name: string): Promise<QueueCounts>
  /**
   * Lets jobs under way finish, then closes everything. After `deadlineMs` it stops waiting: those jobs' signals are aborted, their
   * locks are renewed no more. Returns within the deadline and a little. Idempotent.
   */
  close(deadlineMs?: number): Promise<CloseReport>
}

/** BullMQ's worker, which can also be given up: its `close()` waits for its jobs as long as they take. */
export class JobWorker<T, R = unknown> extends Worker<T, R, string, IQueueBackend, import('bullmq').JobProgress, unknown> {
  /** Aborts the jobs' signals and lets their locks run out. */
  async abandon(): Promise<void> {
    this.cancelAllJobs('the worker is shutting down')
    await this.lockManager.close()
    await this.backend.disconnect()
  }
}

/**
 * Adds many jobs, in order, in slices: BullMQ's `addBulk` prepares all of its jobs in one go, and 1,000 of them hold the event loop for
 * 0.1 s. Each slice is added whole or not at all; where one fails, those before it are there.
 */
export async function addJobs<T, R>(queue: JobQueue<T, R>, jobs: Iterable<{ name: string; data: T; opts?: JobsOptions }>, slice = 200): Promise<number> {
  let added = 0
  let pending: { name: string; data: T; opts?: JobsOptions }[] = []
  const flush = async (): Promise<void> => {
    if (pending.length > 0) await queue.addBulk(pending)
    added += pending.length
    pending = []
  }
  for (const job of jobs) if (pending.push(job) >= slice) await flush()
  await flush()
  return added
}

const defaultJobOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 1000, jitter: 0.5 },
  removeOnComplete: { count: 1000, age: 3600 },
  removeOnFail: { count: 10_000, age: 7 * 24 * 3600 },
  sizeLimit: payloadLimit,
  stackTraceLimit: 5,
}

const workerDefaults = { lockDuration: 60_000, stalledInterval: 30_000, maxStalledCount: 3 }

class OpenBroker implements Broker {
  readonly #server: QueueServer
  readonly #factory: Factory
  readonly #onError: (error: Error) => void
  readonly #queues = new Map<string, JobQueue<unknown>>()
  readonly #workers = new Set<{ readonly name: string; close(): Promise<void>; abandon(): Promise<void> }>()
  readonly #events = new Set<JobEvents>()
  #closing: Promise<CloseReport> | undefined

  constructor(server: QueueServer, options: BrokerOptions) {
    this.#server = server
    this.#factory = server.factory
    this.#onError = (error) => {
      // Closing cuts connections under BullMQ's feet; what it says about that helps nobody.
      if (this.#closing === undefined) options.onError?.(new LayermillError('QUEUE_FAILED', redact(error.message)))
    }
  }

  get kind(): BrokerKind { return this.#server.kind }
  get blobs(): BlobStore { return this.#server.blobs }
  describe(): string { return this.#server.description }

  queue<T, R = unknown>(name: string): JobQueue<T, R> {
    this.#check(name)
    const known = this.#queues.get(name)
    // One queue object for one name: what its jobs are is between those who use the name.
    if (known !== undefined) return known as unknown as JobQueue<T, R>
    const queue = new Queue<T, R, string, T, R, string, IQueueBackend, unknown>(name, { connection: {}, defaultJobOptions }, this.#factory)
    queue.on('error', this.#onError)
    this.#queues.set(name, queue)
    return queue
  }

  worker<T, R = unknown>(name: string, processor: JobProcessor<T, R>, options: JobWorkerOptions = {}): JobWorker<T, R> {
    this.#check(name)
    const worker = new JobWorker<T, R>(name, processor, { ...workerDefaults, ...options, connection: {} }, this.#factory)
    worker.on('error', this.#onError)
    this.#workers.add(worker)
    worker.on('closed', () => this.#workers.delete(worker))
    return worker
  }

  events(name: string): JobEvents {
    this.#check(name)
    const events = new QueueEvents<unknown, IQueueBackend, unknown>(name, { connection: {} }, this.#factory)
    events.on('error', this.#onError)
    this.#events.add(events)
    return events
  }

  async counts(name: string): Promise<QueueCounts> {
    const queue = this.queue(name)
    const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'completed', 'failed')
    const of = (state: string): number => counts[state] ?? 0
    const due = of('delayed') > 0 ? await this.#due(queue) : 0
    return {
      waiting: of('waiting'), prioritized: of('prioritized'), active: of('active'), delayed: of('delayed'), due, paused: await queue.isPaused(),
      completed: of('completed'), failed: of('failed'), load: of('waiting') + of('prioritized') + due + of('active'),
    }
  }

  close(deadlineMs = 10_000): Promise<CloseReport> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #due(queue: JobQueue<unknown>): Promise<number> {
    const now = Date.now()
    const jobs = await queue.getDelayed(0, 999)
    // A retry's delay counts from when it failed, which is after it was last taken.
    return jobs.filter((job) => Math.max(job.timestamp, job.processedOn ?? 0) + job.delay <= now).length
  }

  async #close(deadlineMs: number): Promise<CloseReport> {
    const deadline = Date.now() + deadlineMs
    const left = (): number => Math.max(0, deadline - Date.now())
    const workers = [...this.#workers]
    const finished = new Set<unknown>()
    await within(left(), Promise.all(workers.map(async (worker) => {
      await worker.close()
      finished.add(worker)
    })))
    const unfinished = workers.filter((worker) => !finished.has(worker))
    await within(1000, Promise.allSettled(unfinished.map((worker) => worker.abandon())))
    // Nothing below waits for people's code; a second is ample unless the server is gone.
    const ended = await within(Math.max(1000, left()), Promise.allSettled([
      ...[...this.#queues.values()].map((queue) => queue.close()), ...[...this.#events].map((events) => events.close()),
    ]))
    await within(2000, this.#server.close())
    return { clean: ended && unfinished.length === 0, unfinished: unfinished.map(({ name }) => name) }
  }

  #check(name: string): void {
    if (this.#closing !== undefined) throw new LayermillError('QUEUE_CLOSED', `queue ${name}: the broker is closed`)
  }
}

/** Whether the work ended (well or not) within the time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(() => resolve(false), ms) })
  const ended = await Promise.race([work.then(() => true, () => true), late])
  clearTimeout(timer)
  return ended
}

export type BrokerOptions = ServerOptions

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^(rediss?|postgres(ql)?):$/.test(url.protocol) && url.hostname !== '') return url
  throw new LayermillError('QUEUE_URL', `queue ${JSON.stringify(redact(text).slice(0, 200))}: expected redis://, rediss:// or postgres:// with a host, or embedded`)
}

/**
 * Connects to a queue server: `redis://`, `rediss://` or `postgres://`; undefined or `embedded` is the one inside this process.
 * Throws `QUEUE_URL`, `QUEUE_UNREACHABLE`, `QUEUE_AUTH`, `QUEUE_EVICTION` (Redis that may drop jobs), `QUEUE_LOCKED`, `QUEUE_FAILED`.
 */
export async function openBroker(url?: string, options: BrokerOptions = {}): Promise<Broker> {
  if (url === undefined || url === 'embedded') return new OpenBroker(await openEmbeddedServer(options), options)
  const parsed = parseUrl(url)
  const server = parsed.protocol.startsWith('redis') ? await openRedisServer(parsed, options) : await openPostgresServer(parsed, options)
  return new OpenBroker(server, options)
}
