import { errorCode, LayermillError } from '@layermill/core'
import { setTimeout as sleep } from 'node:timers/promises'
import { slowStore } from './slow-store.js'

/** Attempts of one request, the first included; with the delays below they span about half a minute. */
const attempts = 9
const firstDelayMs = 100
const longestDelayMs = 8000

const throttled = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'RequestThrottled',
  'KMS.ThrottlingException',
])
const transient = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'InternalError',
  'ServiceUnavailable',
  'ConditionalRequestConflict',
  'OperationAborted',
  'TimeoutError',
  'TruncatedBody',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'EPROTO',
])

/** A body that ended before its announced length, or stopped coming. */
export class TruncatedBody extends Error {
  override readonly name = 'TruncatedBody'
}

/** The HTTP status of an SDK error, 0 where no answer came. */
export function statusOf(error: unknown): number {
  if (!(error instanceof Error) || !('$metadata' in error)) return 0
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return 0
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : 0
}

/** Whether the same request may succeed later: throttling, server errors, conflicts, and everything that a network does. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof LayermillError) return false
  const status = statusOf(error)
  if (status >= 500 && status !== 501) return true
  if (status === 429 || status === 409) return true
  return (
    throttled.has(error.name) ||
    transient.has(error.name) ||
    transient.has(errorCode(error)) ||
    (status === 0 && error.message === 'socket hang up')
  )
}

/**
 * Runs a request again, with growing random pauses, while its failure may pass. `attempt` counts from 1, for requests whose answer means
 * something else when an earlier try may have been carried out.
 */
export async function withRetries<T>(run: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(attempt)
    } catch (error) {
      if (attempt >= attempts || !isTransient(error)) throw error
      slowStore.refused(error)
    }
    const ceiling = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1))
    // Half fixed, half random: many workers that were throttled together do not come back together.
    await sleep(ceiling / 2 + (Math.random() * ceiling) / 2)
  }
}
