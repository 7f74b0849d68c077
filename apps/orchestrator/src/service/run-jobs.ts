import { createHash } from 'node:crypto'
import { classify, redact } from '@layermill/core'
import {
  queueNames,
  readPayload,
  type RunEvent,
  type RunJob,
  type RunSummary,
  type TrainingState,
  type Waiting,
} from '@layermill/contracts'
import { type Broker, type JobQueue, type JobsOptions, type JobState, parseFailedReason, type QueuedJob } from '@layermill/queue'

export type RunQueue = JobQueue<RunJob, RunSummary>
export type QueuedRun = QueuedJob<RunJob, RunSummary>
export type RunProgressData = Extract<RunEvent, { event: 'progress' }>['data']

/** Report of the orchestrator at a run, sent every second. It is there from the moment that the run has its record. */
export interface RunJobProgress {
  readonly summary: RunSummary
  readonly progress?: RunProgressData
  /** Of a fine-tuning run: where it stands, and its last epochs. */
  readonly training?: TrainingState
  readonly epochs?: readonly TrainingState[]
}

export function runQueue(broker: Broker): RunQueue {
  return broker.queue<RunJob, RunSummary>(queueNames.runs)
}

const days = (count: number): number => count * 24 * 3600

/** Runs outlive trouble of ten minutes and more before they fail; the latest thousand are kept for listing. */
const jobOptions: JobsOptions = {
  attempts: 8,
  backoff: { type: 'exponential', delay: 5000, jitter: 0.5 },
  removeOnComplete: { count: 1000, age: days(90) },
  removeOnFail: { count: 1000, age: days(90) },
}

/** Options of a run's job: one run at a time for one store. */
export function runJobOptions(id: string, store: string): JobsOptions {
  return { ...jobOptions, jobId: id, deduplication: { id: createHash('sha256').update(store).digest('hex') } }
}

export function jobProgress(job: Pick<QueuedRun, 'progress'>): RunJobProgress | undefined {
  const { progress } = job
  // Only the run worker writes it.
  return typeof progress === 'object' && 'summary' in progress ? (progress as RunJobProgress) : undefined
}

/** Payload of a run's job; undefined where a newer version made it. */
function known(job: QueuedRun): RunJob | undefined {
  try {
    return readPayload('run', job.data)
  } catch {
    return undefined
  }
}

function planned(job: QueuedRun): RunSummary {
  const { run, spec: whole, submitted } = known(job) ?? { run: job.id ?? '', spec: undefined, submitted: undefined }
  const spec = whole ?? submitted
  return {
    id: run,
    kind: spec?.kind ?? 'extract',
    state: 'planning',
    source: spec?.source ?? '',
    model: spec?.model ?? '',
    out: spec?.out,
    counts: { images: 0, done: 0, failed: 0, parts: 0 },
    created: new Date(job.timestamp).toISOString(),
  }
}

const finishedTime = (job: QueuedRun): string | undefined =>
  job.finishedOn === undefined ? undefined : new Date(job.finishedOn).toISOString()

/** A run in short, by what the queue knows of it. */
export function summarizeJob(job: QueuedRun, state: JobState | 'unknown'): RunSummary {
  // A queue gives null for what is not there yet.
  const result: RunSummary | null | undefined = job.returnvalue
  if (state === 'completed' && typeof result === 'object' && result !== null) return result
  const told = jobProgress(job)?.summary ?? planned(job)
  if (state === 'failed') {
    const { code, message } = parseFailedReason(job.failedReason ?? 'unknown')
    return { ...told, state: 'failed', finished: finishedTime(job), error: { code, message: redact(message) } }
  }
  // Nobody is at it, and whoever comes will only note its end.
  if (job.data.cancel === true && state !== 'active') return { ...told, state: 'cancelled' }
  if (job.data.paused !== undefined) return { ...told, waiting: { code: 'paused', reason: 'the run is paused', since: job.data.paused } }
  if (state === 'active') return told
  const { waiting: _before, ...rest } = told
  const waiting = waitingOf(job, state)
  return waiting === undefined ? rest : { ...rest, waiting }
}

/** Milliseconds for which a run may lie on the queue before that is worth saying. */
const untold = 2000

/** Cause of the waiting of a run that no orchestrator has. */
function waitingOf(job: QueuedRun, state: JobState | 'unknown'): Waiting | undefined {
  const { failedReason, attemptsMade, processedOn, timestamp, delay } = job
  const since = new Date(processedOn ?? timestamp).toISOString()
  if (state === 'delayed' && typeof failedReason === 'string' && failedReason !== '') {
    const due = new Date((processedOn ?? timestamp) + delay).toISOString()
    return {
      code: 'retry',
      reason: `attempt ${attemptsMade} of ${job.opts.attempts ?? 1} failed: ${redact(failedReason)}; the next is due at ${due}`,
      since,
    }
  }
  if (known(job) === undefined)
    return { code: 'newer-version', reason: 'its job was made by a newer version: an orchestrator of that version must take it', since }
  if (Date.now() - timestamp < untold) return undefined
  return { code: 'no-orchestrator', reason: 'no orchestrator has taken it up', since }
}

/** Whether another try can help a run. */
export function worthAnotherTry(error: unknown): boolean {
  return classify(error).retry === 'backoff'
}
