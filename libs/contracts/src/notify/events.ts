import { createHash } from 'node:crypto'
import * as z from 'zod'
import { RunSummary } from '../api/runs.js'

const time = z.string().describe('ISO 8601, UTC.')

/** A model's version became the one that `NAME@latest` means. */
export const ModelPromoted = z.object({
  name: z.string(),
  version: z.int().positive(),
  /** The version that was the latest before; left out for the first. */
  previous: z.int().positive().optional(),
  /** Promoter: name of a token or a schedule, or a gate. */
  by: z.string(),
  why: z.string().optional(),
  /** The run that made the version, where one did. */
  run: z.string().optional(),
  promoted: time,
})
export type ModelPromoted = z.output<typeof ModelPromoted>

/** A schedule could not start its run. */
export const ScheduleFailed = z.object({
  schedule: z.string(),
  tick: z.string(),
  due: time,
  error: z.object({ code: z.string(), message: z.string() }),
})
export type ScheduleFailed = z.output<typeof ScheduleFailed>

/** Event that webhooks are told of. */
export const Notification = z.discriminatedUnion('event', [
  z.object({ event: z.literal('run.finished'), data: RunSummary }),
  z.object({ event: z.literal('run.failed'), data: RunSummary }),
  z.object({ event: z.literal('run.cancelled'), data: RunSummary }),
  z.object({ event: z.literal('model.promoted'), data: ModelPromoted }),
  z.object({ event: z.literal('schedule.failed'), data: ScheduleFailed }),
])
export type Notification = z.output<typeof Notification>

export interface NotifyOptions {
  /** Webhooks besides those of the orchestrators: the `notify` of a spec or schedule. */
  readonly urls?: readonly string[]
}

/**
 * Tells webhooks of an event. Resolves once the event is queued; it is then delivered, with retries, by an orchestrator that has webhooks
 * or their secret. The same event given twice is told once.
 */
export type Notify = (notification: Notification, options?: NotifyOptions) => Promise<void>

/** Values that identify the event: two notifications of one kind with equal values are the same event. */
function identity(notification: Notification): unknown[] {
  switch (notification.event) {
    case 'model.promoted':
      return [notification.data.name, notification.data.version, notification.data.promoted]
    case 'schedule.failed':
      return [notification.data.schedule, notification.data.tick]
    // A run that is resumed ends again, at another time.
    default:
      return [notification.data.id, notification.data.finished ?? '']
  }
}

/** The event's id (`webhook-id`): the same for the same event, whoever tells of it and however often. */
export function eventId(notification: Notification): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([notification.event, ...identity(notification)]))
    .digest('hex')
  return `msg_${digest.slice(0, 32)}`
}
