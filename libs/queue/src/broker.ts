import type { IQueueBackend, Job, JobsOptions, Queue, QueueEvents, WorkerOptions } from 'bullmq'
import type { BlobStore, BrokerKind, ServerOptions } from './backend.js'
import type { JobWorker } from './job-worker.js'

export type JobQueue<T, R = unknown> = Queue<T, R, string, T, R, string, IQueueBackend, unknown>
export type JobEvents = QueueEvents<unknown, IQueueBackend, unknown>
export type QueuedJob<T, R = unknown> = Job<T, R>
export type { JobsOptions, JobState } from 'bullmq'
export type { JobWorker } from './job-worker.js'
export type JobProcessor<T, R> = (job: Job<T, R>, token: string | undefined, signal: AbortSignal | undefined) => Promise<R>

/** Options that a worker may be given; the rest of BullMQ's options is fixed here. */
export type JobWorkerOptions = Pick<
  WorkerOptions,
  'concurrency' | 'name' | 'autorun' | 'lockDuration' | 'lockRenewTime' | 'stalledInterval' | 'maxStalledCount' | 'drainDelay' | 'limiter'
>

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

export interface Broker extends AsyncDisposable {
  readonly kind: BrokerKind
  /** Bytes under a key, for the exchange of tensors. */
  readonly blobs: BlobStore
  /** For people and logs; never with credentials. */
  describe(): string
  /** A queue, the same object for the same name. */
  queue<T, R = unknown>(name: string): JobQueue<T, R>
  /** Takes jobs until it or the broker is closed. Lock 60 s, renewed; a job whose worker is gone is taken up again, three times at most. */
  worker<T, R = unknown>(name: string, processor: JobProcessor<T, R>, options?: JobWorkerOptions): JobWorker<T, R>
  /** Events of a queue, as they happen. Capped and lossy: for progress, never for truth. */
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
export async function addJobs<T, R>(
  queue: JobQueue<T, R>,
  jobs: Iterable<{ name: string; data: T; opts?: JobsOptions }>,
  slice = 200,
): Promise<number> {
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
