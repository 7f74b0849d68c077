import { queueNames, type ScheduleSpec } from '@layermill/contracts'
import type { Broker, JobQueue, QueuedJob } from '@layermill/queue'
import * as z from 'zod'

/** A tick as a job: of BullMQ's scheduler (which says when in the job's id), or of its own. */
export const TickJob = z.object({
  schedule: z.string(),
  /** ISO 8601; left out by BullMQ's scheduler. */
  due: z.string().optional(),
  /** The id of a tick that somebody asked for, or that waited. */
  tick: z.string().optional(),
  manual: z.boolean().optional(),
})
export type TickJob = z.output<typeof TickJob>
export type TickQueue = JobQueue<TickJob>

export const tickQueue = (broker: Broker): TickQueue => broker.queue<TickJob>(queueNames.schedules)

/** A tick is tried for about five minutes where store or queue are away. */
export const tickOptions = {
  attempts: 7,
  backoff: { type: 'exponential', delay: 5000, jitter: 0.5 },
  removeOnComplete: { count: 1000, age: 7 * 24 * 3600 },
  removeOnFail: { count: 1000, age: 7 * 24 * 3600 },
} as const

/** When the job's tick was due. */
export function dueOf(job: QueuedJob<TickJob>): Date {
  if (job.data.due !== undefined) return new Date(job.data.due)
  const time = Number(/:(\d+)$/.exec(job.id ?? '')?.[1] ?? Number.NaN)
  return new Date(Number.isNaN(time) ? job.timestamp + job.delay : time)
}

/** The id of the tick at a time: the same for everybody who takes it up. */
export const tickId = (due: Date): string =>
  due
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '')
    .toLowerCase()

/** Lets BullMQ tick for a schedule, or tick otherwise from now on. */
export async function startTicking(queue: TickQueue, { name, cron, tz }: Pick<ScheduleSpec, 'name' | 'cron' | 'tz'>): Promise<void> {
  await queue.upsertJobScheduler(name, { pattern: cron, tz }, { name: 'tick', data: { schedule: name }, opts: tickOptions })
}

/** Adds a tick of a time that has passed, or that somebody asks for, once. */
export async function addTick(queue: TickQueue, data: TickJob & { tick: string }, reason: string): Promise<void> {
  await queue.add('tick', data, {
    ...tickOptions,
    jobId: `${reason}-${data.schedule}-${data.tick}`,
    removeOnComplete: true,
    removeOnFail: true,
  })
}
