import type { Job } from 'bullmq'
import { classify, errorHint, redact } from '@layermill/core'

const hintMark = '\nhint: '

/**
 * A thrown value as the error that a job ends with: its code in front of the message and its hint behind, since a queue keeps only the
 * text, and one that BullMQ does not try again where another attempt cannot help.
 */
export async function toJobError(error: unknown): Promise<Error> {
  const { code, message, retry } = classify(error)
  const hint = errorHint(error)
  const text = `${code}: ${message}${hint === undefined ? '' : `${hintMark}${redact(hint)}`}`
  if (retry !== 'never') return new Error(text, { cause: error })
  const { UnrecoverableError } = await import('bullmq')
  return new UnrecoverableError(text)
}

/** Parts of a failed job's reason. */
export interface FailedReason {
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** Code, message and hint of a failed job's reason. BullMQ's own reason for a job whose workers vanished is `WORKER_LOST`. */
export function parseFailedReason(reason: string): FailedReason {
  const match = /^([A-Z][A-Z0-9_]*): ([\s\S]*)$/.exec(reason)
  if (match !== null) {
    const [code, text] = [match[1]!, match[2]!]
    const end = text.lastIndexOf(hintMark)
    return end < 0 ? { code, message: text } : { code, message: text.slice(0, end), hint: text.slice(end + hintMark.length) }
  }
  return { code: /stalled/.test(reason) ? 'WORKER_LOST' : 'UNEXPECTED', message: reason }
}

/** Milliseconds for which a job is parked where nobody takes it out before: five years. */
const parked = 5 * 365 * 24 * 3600_000

/** Puts a job aside until it is promoted. Ends a processor, as `handBack` does, without counting an attempt. */
export async function park(job: Pick<Job, 'moveToDelayed'>, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + parked, token)
  const { DelayedError } = await import('bullmq')
  throw new DelayedError()
}

/**
 * Puts a job back for another worker that may take it after a while, without counting an attempt. Ends a processor: it always throws.
 * @param delay milliseconds
 */
export async function handBackLater(job: Pick<Job, 'moveToDelayed'>, token: string | undefined, delay: number): Promise<never> {
  await job.moveToDelayed(Date.now() + delay, token)
  const { DelayedError } = await import('bullmq')
  throw new DelayedError()
}

/**
 * Puts a job back in front of its queue for another worker, at once and without counting an attempt. Ends a processor: it always throws,
 * what BullMQ understands, or (where the lock was lost meanwhile) the queue's refusal.
 */
export async function handBack(job: Pick<Job, 'moveToWait'>, token: string | undefined): Promise<never> {
  await job.moveToWait(token)
  const { WaitingError } = await import('bullmq')
  throw new WaitingError()
}
