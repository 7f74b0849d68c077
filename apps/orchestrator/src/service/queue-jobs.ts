import { LayermillError, redact } from '@layermill/core'
import { type QueueJob, type QueueJobPage, type QueueJobQuery, type QueueJobState, queueNames, type WorkerInfo } from '@layermill/contracts'
import { type Broker, type JobQueue, type JobState, parseFailedReason, type QueuedJob } from '@layermill/queue'
import { receiverOf } from '../notify/deliver.js'

/** Queues whose jobs admins may see. Schedules have their own page, and what is left is never worked off. */
const shown: readonly string[] = [queueNames.runs, queueNames.parts, queueNames.gradients, queueNames.analyses, queueNames.webhooks]

/** Longest text of a failure that is shown. */
const longest = 4000

const instant = (time: number): string => new Date(time).toISOString()

/** A receiver's URL may have a secret in its path. */
function receiver(url: unknown): unknown {
  return typeof url === 'string' && URL.canParse(url) ? receiverOf(url) : '***'
}

/** A payload without credentials, however deep they are. */
function cleaned(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map(item => cleaned(item, key))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cleaned(item, name)]))
  if (key === 'url' || key === 'urls' || key === 'notify') return receiver(value)
  return typeof value === 'string' ? redact(value) : value
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}

/** Why a job failed: its own reason, or for a run whose job ended well all the same, the run's. */
function failureOf({ failedReason, returnvalue }: QueuedJob<unknown>): { code: string; message: string } | undefined {
  const { error } = record(returnvalue)
  const { code, message } = typeof failedReason === 'string' && failedReason !== '' ? parseFailedReason(failedReason) : record(error)
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  const text = redact(message)
  return { code, message: text.length > longest ? `${text.slice(0, longest)}...` : text }
}

function describe(job: QueuedJob<unknown>, state: JobState | 'unknown'): QueueJob {
  const { processedOn, finishedOn, timestamp, delay } = job
  const payload = record(cleaned(job.data))
  // A block of what a command compares is of no run.
  const run = payload['sets'] === undefined ? payload['run'] : undefined
  return {
    id: job.id ?? '',
    name: job.name,
    state: state === 'waiting-children' ? 'waiting' : state,
    ...(typeof run === 'string' ? { run } : {}),
    attempts: job.attemptsMade,
    attemptsAllowed: job.opts.attempts ?? 1,
    added: instant(timestamp),
    // A queue gives null for what is not there yet.
    ...(typeof processedOn === 'number' ? { started: instant(processedOn) } : {}),
    ...(typeof finishedOn === 'number' ? { finished: instant(finishedOn) } : {}),
    // A retry's delay counts from when it failed, which is after it was last taken.
    ...(state === 'delayed' ? { delay, due: instant(Math.max(timestamp, processedOn ?? 0) + delay) } : {}),
    ...(failureOf(job) === undefined ? {} : { error: failureOf(job) }),
    data: payload,
  }
}

/** The worker that has a part, by what workers last told. */
function workerOf(workers: readonly WorkerInfo[], { run, part }: Record<string, unknown>): { worker?: string } {
  const found = workers.find(({ jobs }) => jobs.some(job => job.run === run && job.part === part))
  return found === undefined ? {} : { worker: found.id }
}

interface Found {
  readonly job: QueuedJob<unknown>
  readonly state: JobState | 'unknown'
}

export interface QueueJobsOptions {
  /** Goes on with a run that has ended. */
  readonly resumeRun: (id: string) => Promise<unknown>
  readonly workers: () => Promise<WorkerInfo[]>
}

/** Single jobs of the queues: shown, tried again and removed, on every backend. */
export class QueueJobs {
  constructor(
    private readonly broker: Broker,
    private readonly options: QueueJobsOptions,
  ) {}

  /** @throws LayermillError `QUEUE_UNKNOWN`. */
  async list(name: string, { state, limit, offset }: QueueJobQuery): Promise<QueueJobPage> {
    const queue = this.queue(name)
    // Upwards BullMQ's pages of waiting and active jobs differ between the backends.
    const upwards = state === 'delayed' || state === 'prioritized'
    const [found, counts, workers] = await Promise.all([
      queue.getJobs([state], offset, offset + limit - 1, upwards),
      this.broker.counts(name),
      state === 'active' && name === queueNames.parts ? this.options.workers() : [],
    ])
    // A job may be removed while the list is read.
    const jobs = found
      .filter(job => job?.id !== undefined)
      .map(job => ({ ...describe(job, state), ...workerOf(workers, record(job.data)) }))
    const { failed, active, waiting, prioritized, delayed, completed } = counts
    const byState: Record<QueueJobState, number> = { failed, active, waiting, prioritized, delayed, completed }
    return { queue: name, counts: byState, jobs, ...(offset + limit < byState[state] ? { next: offset + limit } : {}) }
  }

  /** @throws LayermillError `QUEUE_UNKNOWN`, `JOB_UNKNOWN`, `JOB_NOT_FAILED`; of runs what resuming them throws. */
  async retry(name: string, id: string): Promise<QueueJob> {
    const queue = this.queue(name)
    const { job, state } = await this.find(queue, id)
    if (state !== 'failed') throw new LayermillError('JOB_NOT_FAILED', `The job ${id} is ${state}: only failed jobs can be tried again`)
    if (name === queueNames.runs) {
      // Not the old job: a run's place may be another run's by now, which a new job notices.
      await this.options.resumeRun(id)
    } else {
      try {
        await job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true })
      } catch (cause) {
        const now = await this.find(queue, id)
        if (now.state === 'failed') throw cause
        throw new LayermillError('JOB_NOT_FAILED', `The job ${id} is ${now.state} by now`, { cause })
      }
    }
    const now = await this.find(queue, id)
    return describe(now.job, now.state)
  }

  /** @throws LayermillError `QUEUE_UNKNOWN`, `JOB_UNKNOWN`, `JOB_ACTIVE`; `RUN_ACTIVE` for a run that has not ended. */
  async remove(name: string, id: string): Promise<void> {
    const queue = this.queue(name)
    const { job, state } = await this.find(queue, id)
    const active = (cause?: unknown): LayermillError =>
      new LayermillError('JOB_ACTIVE', `The job ${id} is being worked on`, { hint: 'to end a run, cancel it', cause })
    if (state === 'active') throw active()
    if (name === queueNames.runs && state !== 'completed' && state !== 'failed') {
      throw new LayermillError('RUN_ACTIVE', `The run ${id} has not ended`, {
        hint: 'cancel it first: its parts go with it, and its record says so',
      })
    }
    try {
      await job.remove()
    } catch (cause) {
      if ((await this.find(queue, id)).state === 'active') throw active(cause)
      throw cause
    }
  }

  private queue(name: string): JobQueue<unknown> {
    if (shown.includes(name)) return this.broker.queue(name)
    throw new LayermillError('QUEUE_UNKNOWN', `There is no queue ${name}`, { hint: `there are ${shown.join(', ')}` })
  }

  private async find(queue: JobQueue<unknown>, id: string): Promise<Found> {
    const job = await queue.getJob(id)
    const state = await job?.getState()
    if (job !== undefined && state !== undefined && state !== 'unknown') return { job, state }
    throw new LayermillError('JOB_UNKNOWN', `There is no job ${id} on the queue ${queue.name}`)
  }
}
