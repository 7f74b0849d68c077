import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { errorMessage, LayermillError, publicLookup, refusePrivateHost } from '@layermill/core'
import { signature } from './sign.js'

export interface Delivery {
  readonly url: string
  readonly id: string
  readonly body: string
}

export interface DeliverOptions {
  readonly keys: readonly Buffer[]
  /** Also to addresses that are not public. */
  readonly allowPrivate: boolean
  /** Milliseconds for the whole exchange. Default 15 s. */
  readonly timeout?: number
  readonly now?: () => number
}

/** Bytes of an answer that are read; its status is what counts. */
const mostAnswer = 16 * 1024

/** The receiver for people and logs: what follows the host may be a secret. */
export const receiverOf = (url: string): string => new URL(url).origin

const failed = (url: string, what: string, cause?: unknown): LayermillError =>
  new LayermillError('WEBHOOK_FAILED', `${receiverOf(url)} ${what}`, { cause })

/** Sends a request and gives the answer's status. Redirects are answers like any other. */
function exchange(url: URL, options: RequestOptions, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(url, options, response => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > mostAnswer) response.destroy()
      })
      response.on('error', () => undefined)
      response.on('close', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', reject)
    request.end(body)
  })
}

/**
 * Sends an event to a receiver, signed after the Standard Webhooks scheme. Answers of 200 to 299 mean that it was taken.
 * @throws LayermillError `WEBHOOK_FAILED` (another try may help), `ADDRESS_REFUSED`, `WEBHOOK_GONE` (410: it wants no more)
 */
export async function deliver(
  { url, id, body }: Delivery,
  { keys, allowPrivate, timeout = 15_000, now = Date.now }: DeliverOptions,
): Promise<void> {
  const target = new URL(url)
  if (!allowPrivate) refusePrivateHost(target)
  const timestamp = Math.floor(now() / 1000)
  const options: RequestOptions = {
    method: 'POST',
    // A connection of its own: none that was checked under other rules.
    agent: false,
    signal: AbortSignal.timeout(timeout),
    ...(allowPrivate ? {} : { lookup: publicLookup() }),
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'layermill',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signature({ id, timestamp, body }, keys),
    },
  }
  let status: number
  try {
    status = await exchange(target, options, body)
  } catch (error) {
    if (error instanceof LayermillError) throw error
    throw failed(
      url,
      options.signal?.aborted === true ? `did not answer within ${timeout} ms` : `cannot be reached: ${errorMessage(error)}`,
      error,
    )
  }
  if (status >= 200 && status < 300) return
  if (status === 410) throw new LayermillError('WEBHOOK_GONE', `${receiverOf(url)} answered 410: it wants no more events`)
  throw failed(url, status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}`)
}
