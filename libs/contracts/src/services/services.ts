import type { RunState } from '../records/run-state.js'
import type { RunKind, RunSpec } from '../specs/spec.js'
import type { QueueJob, QueueJobPage, QueueJobState } from '../api/queue-jobs.js'
import type { RunPlan } from '../api/plan.js'
import type {
  FleetState,
  QueueDepth,
  ReadinessCheck,
  RunDetail,
  RunEvent,
  RunPage,
  runOrders,
  RunSummary,
  RunWords,
  WorkerInfo,
} from '../api/runs.js'

export interface RunListQuery {
  state?: RunState
  kind?: RunKind
  /** Words that a run has in what is said of it; each counts. */
  search?: string
  tag?: string
  sort?: (typeof runOrders)[number]
  order?: 'down' | 'up'
  /** `next` of an earlier page. */
  cursor?: string
  /** 1 to 200. */
  limit: number
}

export interface RunEventOptions {
  /**
   * Id of the last event that the listener has seen; what came after it is told first. An id that is not known any more means: from here
   * on.
   */
  after?: string
  /** Ends the events at once when the listener goes away: a pending `next()` then resolves or rejects. */
  signal: AbortSignal
}

/** Runs, for the HTTP side. Every method may throw a LayermillError, whose code decides the answer's status (`problem-codes.ts`). */
export interface RunService {
  /**
   * Accepts a run; it is planned afterwards.
   * @throws LayermillError `RUN_CONFLICT` where the destination holds another run.
   */
  submit(spec: RunSpec): Promise<RunSummary>
  /**
   * Says what a run would read, compute and write; nothing is queued or written.
   * @throws LayermillError as planning does; the signal's reason
   */
  plan(spec: RunSpec, signal?: AbortSignal): Promise<RunPlan>
  /**
   * Newest first.
   * @throws LayermillError `CURSOR_INVALID`.
   */
  list(query: RunListQuery): Promise<RunPage>
  /** @throws LayermillError `RUN_UNKNOWN`. */
  get(id: string): Promise<RunDetail>
  /**
   * Cancelling a cancelled run changes nothing.
   * @throws LayermillError `RUN_UNKNOWN`; `RUN_FINISHED` for one that is done or failed.
   */
  cancel(id: string): Promise<RunSummary>
  /**
   * Lets go of a run until it is resumed; pausing a paused run changes nothing.
   * @throws LayermillError `RUN_UNKNOWN`; `RUN_FINISHED` for one that has ended.
   */
  pause(id: string): Promise<RunSummary>
  /**
   * Goes on with a run that is paused, failed, was cancelled or interrupted.
   * @throws LayermillError `RUN_UNKNOWN`; `RUN_ACTIVE` for one that is being worked on; `RUN_FINISHED` for one that is done.
   */
  resume(id: string): Promise<RunSummary>
  /**
   * Events of one run, which end after the state event that says the run ended. For a run that has ended: what came after `after`, then the
   * end.
   * @throws LayermillError `RUN_UNKNOWN`, from the first `next()`.
   */
  events(id: string, options: RunEventOptions): AsyncIterable<RunEvent>
  /** How many runs there are in each state, for the metrics. */
  countByState(): Promise<Partial<Record<RunState, number>>>
}

/** Memory of runs that a server keeps beside its queue, for the HTTP side. */
export interface RunShelf {
  /**
   * Changes the words of people on a run.
   * @throws LayermillError `RUN_UNKNOWN`
   */
  describe(id: string, words: RunWords): Promise<RunSummary>
  /**
   * Puts a run that lies at a place on the shelf: from then on it is listed and shown.
   * @throws LayermillError `PLACE_REFUSED`, `RUN_MISSING`, `RUN_RECORD_INVALID`; as the store does
   */
  open(place: string): Promise<RunSummary>
}

export interface QueueJobQuery {
  state: QueueJobState
  /** 1 to 100. */
  limit: number
  /** How many to leave out. */
  offset: number
}

/** Queue and workers, for the HTTP side. */
export interface FleetService {
  /** Workers whose heartbeat is not too old. */
  workers(): Promise<WorkerInfo[]>
  /** Depth of every queue that workers take jobs from. */
  queues(): Promise<QueueDepth[]>
  /**
   * Jobs of one queue in one state: delayed and prioritized ones in the order in which they come, others the latest first.
   * @throws LayermillError `QUEUE_UNKNOWN`.
   */
  jobs(queue: string, query: QueueJobQuery): Promise<QueueJobPage>
  /**
   * Queues a failed job again, with all its attempts; a run is resumed.
   * @throws LayermillError `QUEUE_UNKNOWN`, `JOB_UNKNOWN`, `JOB_NOT_FAILED`; of runs as `RunService.resume` does.
   */
  retryJob(queue: string, id: string): Promise<QueueJob>
  /**
   * Takes a job off its queue.
   * @throws LayermillError `QUEUE_UNKNOWN`, `JOB_UNKNOWN`, `JOB_ACTIVE`; `RUN_ACTIVE` for a run that has not ended.
   */
  removeJob(queue: string, id: string): Promise<void>
  /** Lets workers begin nothing more; what they have they finish. Pausing a paused fleet changes nothing. */
  pause(): Promise<FleetState>
  /** Lets workers go on. */
  resume(): Promise<FleetState>
  /** Whether workers may begin anything. */
  state(): Promise<FleetState>
  /** Asks everything the orchestrator needs; a check that fails is an answer, not an error. */
  ready(): Promise<ReadinessCheck[]>
}
