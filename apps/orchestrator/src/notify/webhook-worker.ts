import { createHash } from 'node:crypto'
import { errorMessage, hasCredentials, LayermillError } from '@layermill/core'
import { eventId, Notification, type Notify, queueNames, WebhookUrl } from '@layermill/contracts'
import { type Broker, type JobsOptions, type QueuedJob, toJobError } from '@layermill/queue'
import * as z from 'zod'
import { deliver, receiverOf } from './deliver.js'

const urls = z.array(WebhookUrl).max(10)
const EventJob = z.object({ kind: z.literal('event'), notification: Notification, urls })
/** `receiver` tells which URL is meant where an operator's has a query, which is kept in the process and never in the queue. */
const DeliveryJob = z.object({
  kind: z.literal('delivery'),
  url: WebhookUrl,
  receiver: z.string().optional(),
  id: z.string(),
  body: z.string(),
})
const WebhookJob = z.discriminatedUnion('kind', [EventJob, DeliveryJob])
type WebhookJob = z.output<typeof WebhookJob>

const days = (count: number): number => count * 24 * 3600
/** Told once is kept for a week, so that the same event is not told again. */
const kept: JobsOptions = { removeOnComplete: { age: days(7), count: 10_000 }, removeOnFail: { age: days(7), count: 10_000 } }
/** Events that no orchestrator took up for so many milliseconds are no news. */
const stale = days(7) * 1000

/** Queues events for the orchestrators of a queue. */
export function queueNotify(broker: Broker): Notify {
  return async (notification, options = {}) => {
    const id = eventId(notification)
    const data: WebhookJob = { kind: 'event', notification, urls: [...(options.urls ?? [])] }
    await broker.queue<WebhookJob>(queueNames.webhooks).add(notification.event, data, { ...kept, jobId: id })
  }
}

export interface WebhookOptions {
  /** Told of every event. */
  readonly urls: readonly string[]
  /** See `parseSecrets`. Without any nothing is sent. */
  readonly keys: readonly Buffer[]
  readonly allowPrivate: boolean
  /** Milliseconds for one attempt. Default 15 s. */
  readonly timeout?: number
  /** Milliseconds before the second attempt, doubled for each further one. Default 5 s: twelve attempts take about six hours. */
  readonly retryDelay?: number
  /** For the log. */
  readonly note?: (text: string) => void
}

export interface WebhookWorker {
  close(): Promise<void>
}

/** Body of a webhook: type, time and data, as Standard Webhooks has it. */
const bodyOf = ({ event, data }: Notification, time: number): string =>
  JSON.stringify({ type: event, timestamp: new Date(time).toISOString(), data })

const receiverId = (url: string): string => createHash('sha256').update(url).digest('hex').slice(0, 16)

/** A receiver as a job names it. */
function withoutQuery(url: string): string {
  const named = new URL(url)
  named.search = ''
  named.hash = ''
  return named.href
}

/** Delivers queued events: each receiver has a job of its own, which outlives restarts and is tried again with growing pauses. */
export function startWebhookWorker(broker: Broker, options: WebhookOptions): WebhookWorker {
  const queue = broker.queue<WebhookJob>(queueNames.webhooks)
  const attempt: JobsOptions = { ...kept, attempts: 12, backoff: { type: 'exponential', delay: options.retryDelay ?? 5000, jitter: 0.5 } }

  async function spread(job: QueuedJob<WebhookJob>, { notification, urls: own }: z.output<typeof EventJob>): Promise<void> {
    if (Date.now() - job.timestamp > stale) return
    const receivers = [...new Set([...options.urls, ...own])]
    if (receivers.length > 0 && options.keys.length === 0) {
      options.note?.(`webhooks: ${notification.event} is not sent: there is no secret to sign it with (LAYERMILL_WEBHOOK_SECRET)`)
      return
    }
    const id = eventId(notification)
    const body = bodyOf(notification, job.timestamp)
    for (const url of receivers) {
      const receiver = receiverId(url)
      const named = hasCredentials(url) ? { url: withoutQuery(url), receiver } : { url }
      await queue.add('delivery', { kind: 'delivery', ...named, id, body }, { ...attempt, jobId: `${id}-${receiver}` })
    }
  }

  async function send(job: QueuedJob<WebhookJob>, { url: named, receiver, id, body }: z.output<typeof DeliveryJob>): Promise<void> {
    const url = receiver === undefined ? named : options.urls.find(own => receiverId(own) === receiver)
    if (url === undefined)
      throw new LayermillError('WEBHOOK_FAILED', `${receiverOf(named)}: this orchestrator was started without that webhook`)
    if (options.keys.length === 0)
      throw new LayermillError('WEBHOOK_FAILED', `${receiverOf(url)}: this orchestrator has no secret to sign with`)
    try {
      await deliver({ url, id, body }, options)
    } catch (error) {
      options.note?.(`webhooks: ${id}, attempt ${job.attemptsMade + 1}: ${errorMessage(error)}`)
      throw error
    }
  }

  const worker = broker.worker<WebhookJob>(
    queueNames.webhooks,
    async (job: QueuedJob<WebhookJob>) => {
      try {
        const data = WebhookJob.parse(job.data)
        await (data.kind === 'event' ? spread(job, data) : send(job, data))
      } catch (error) {
        throw await toJobError(error)
      }
    },
    { concurrency: 16 },
  )
  return { close: () => worker.close() }
}
