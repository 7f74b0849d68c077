import { LayermillError, redactQueueUrl } from '@layermill/core'
import type { IQueueBackend, Job, JobsOptions, Queue, QueueEvents, WorkerOptions } from 'bullmq'
import type { BlobStore, BrokerKind, QueueServer, ServerOptions } from './backend.js'
import type { JobWorker } from './open-broker.js'
import { isRedisUrl } from './redis/redis-url.js'

export type JobQueue<T, R = unknown> = Queue<T, R, string, T, R, string, IQueueBackend, unknown>
export type JobEvents = QueueEvents<unknown, IQueueBackend, unknown>
export type QueuedJob<T, R = unknown> = Job<T, R>
export type { JobsOptions, JobState } from 'bullmq'
export type { JobWorker } from './open-broker.js'
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

export type BrokerOptions = ServerOptions

function refuse(text: string): never {
  throw new LayermillError('QUEUE_URL', `queue ${JSON.stringify(redactQueueUrl(text).slice(0, 200))}: expected redis://, rediss:// or postgres:// with a host, or embedded`, {
    hint: 'also redis+sentinel://host,host/name and redis+cluster://host,host, each with rediss for TLS',
  })
}

/** A server's connections. BullMQ and the drivers take a third of a second to load, which commands without a queue need not wait for. */
async function connect(text: string | undefined, options: BrokerOptions): Promise<QueueServer> {
  if (text === undefined) {
    const { openEmbeddedPostgres } = await import('./embedded/embedded-postgres.js')
    // The database starts in its thread while this one loads BullMQ.
    const [database, { embeddedServer }] = await Promise.all([openEmbeddedPostgres(options.directory), import('./postgres-server.js')])
    return embeddedServer(database, options)
  }
  if (isRedisUrl(text)) return (await import('./redis-server.js')).openRedisServer(text, options)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '') return refuse(text)
  return (await import('./postgres-server.js')).openPostgresServer(url, options)
}

/**
 * Connects to a queue server: `redis://`, `redis+sentinel://`, `redis+cluster://` (`rediss` with TLS) or `postgres://`; undefined or
 * `embedded` is the one inside this process.
 * Throws `QUEUE_URL`, `QUEUE_UNREACHABLE`, `QUEUE_AUTH`, `QUEUE_DENIED` (commands that Redis keeps from the user), `QUEUE_EVICTION` (Redis
 * that may drop jobs), `QUEUE_LOCKED`, `QUEUE_FAILED`.
 */
export async function openBroker(url?: string, options: BrokerOptions = {}): Promise<Broker> {
  const server = await connect(url === undefined || url === 'embedded' ? undefined : url, options)
  const { OpenBroker } = await import('./open-broker.js')
  return new OpenBroker(server, options)
}
