import * as z from 'zod'
import { whole } from './whole.js'

const time = z.string().describe('ISO 8601, UTC.')
const count = z.int().nonnegative()

export const queueJobStates = ['failed', 'active', 'waiting', 'prioritized', 'delayed', 'completed'] as const
export type QueueJobState = (typeof queueJobStates)[number]

export const QueueParams = z.object({
  queue: z
    .string()
    .regex(/^[a-z][a-z-]{0,63}$/, 'the name of a queue: lower-case letters and dashes')
    .describe('Name of a queue.'),
})

export const QueueJobParams = z.object({
  ...QueueParams.shape,
  id: z
    .string()
    .regex(/^[A-Za-z0-9][\w-]{0,199}$/, 'a job id: letters, digits, _ and -, at most 200 characters')
    .describe('Id of a job, as the list gives it.'),
})

export const QueueJobQueryParams = z.strictObject({
  state: z.enum(queueJobStates).default('failed').describe('Only jobs in this state.'),
  limit: whole('a whole number from 1 to 100', 1, 100).prefault('25').describe('Most jobs in one answer, 1 to 100.'),
  offset: whole('a whole number from 0 to 1000000', 0, 1e6).prefault('0').describe('How many to leave out: next of the earlier answer.'),
})

/** One job of a queue. */
export const QueueJob = z
  .object({
    id: z.string(),
    name: z.string(),
    state: z.enum([...queueJobStates, 'unknown']),
    run: z.string().optional().describe('The run that it belongs to.'),
    attempts: count.describe('Attempts that ended.'),
    attemptsAllowed: count,
    added: time,
    started: time.optional().describe('Of the latest attempt.'),
    finished: time.optional(),
    delay: count.optional().describe('Milliseconds that a delayed job waits in all.'),
    due: time.optional().describe('When a delayed job can be taken.'),
    error: z
      .object({ code: z.string(), message: z.string() })
      .optional()
      .describe('Why it, or its latest attempt, failed; without credentials.'),
    worker: z.string().optional().describe('Of an active part: the worker that told of it.'),
    data: z
      .record(z.string(), z.unknown())
      .describe('Its payload: names, no images; without credentials, and of receivers of webhooks the host only.'),
  })
  .meta({ id: 'QueueJob', description: 'A job of a queue.' })
export type QueueJob = z.output<typeof QueueJob>

export const QueueJobPage = z
  .object({
    queue: z.string(),
    counts: z
      .object({ failed: count, active: count, waiting: count, prioritized: count, delayed: count, completed: count })
      .describe('Jobs of the queue by state.'),
    jobs: z.array(QueueJob).describe('delayed and prioritized: those first that come first; others: the latest first.'),
    next: count.optional().describe('Offset of the next page; left out on the last.'),
  })
  .meta({ id: 'QueueJobPage', description: "A page of a queue's jobs in one state." })
export type QueueJobPage = z.output<typeof QueueJobPage>
