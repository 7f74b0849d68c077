import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { errorMessage, LayermillError } from '@layermill/models'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { statusOf } from './retry.js'
import { httpHandler, sdk } from './sdk.js'

/** Requests under way at once to one store; more wait for a socket. */
export const SOCKETS = 64

/** How long a server may take, in milliseconds, before a request is given up and tried again. */
export interface Timeouts {
  readonly connect: number
  /** Until the answer's headers are there; a 64 MiB upload on a slow line takes its time. */
  readonly answer: number
  /** Without a byte of a body that has begun. */
  readonly idle: number
}

export const TIMEOUTS: Timeouts = { connect: 10_000, answer: 120_000, idle: 30_000 }

/** A bucket and the prefix in it that is the root: '' or ending with '/'. */
export interface S3Location {
  readonly bucket: string
  readonly prefix: string
}

/**
 * Splits `s3://bucket/some/prefix`.
 *
 * @throws LayermillError `STORE_URL`
 */
export function parseS3Url(url: string): S3Location {
  const match = /^s3:\/\/([^/]*)(?:\/(.*))?$/is.exec(url)
  const bucket = match?.[1] ?? ''
  if (bucket.includes('@') || bucket.includes(':')) {
    throw new LayermillError('STORE_URL', 'an s3:// URL must not hold credentials or a port; expected s3://bucket/prefix', {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or use a profile; a server other than AWS is named by AWS_ENDPOINT_URL_S3.',
    })
  }
  if (!/^[A-Za-z0-9._-]{3,255}$/.test(bucket)) throw new LayermillError('STORE_URL', `${url}: '${bucket}' is not a bucket name`)
  return { bucket, prefix: match?.[2] ?? '' }
}

/** The server other than AWS that the environment names, if any. */
export function s3Endpoint(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? env['S3_ENDPOINT']
}

function isAws(endpoint: string): boolean {
  return /\.(amazonaws\.com(\.cn)?|api\.aws)$/.test(new URL(endpoint).hostname)
}

/**
 * A client with the SDK's own credential chain (environment, profile, container, instance). The SDK's retries are off: `withRetries` also
 * covers bodies that break off, which the SDK's do not.
 */
export function s3Client(env: NodeJS.ProcessEnv = process.env, timeouts: Timeouts = TIMEOUTS): S3Client {
  const { NodeHttpHandler } = httpHandler()
  const endpoint = s3Endpoint(env)
  const config: S3ClientConfig = {
    maxAttempts: 1,
    followRegionRedirects: true,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connect,
      requestTimeout: timeouts.answer,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: SOCKETS }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS }),
    }),
  }
  if (endpoint !== undefined && !isAws(endpoint)) {
    config.endpoint = endpoint
    config.forcePathStyle = true
    // Other servers refuse the trailing checksums that the SDK adds of itself.
    config.requestChecksumCalculation = 'WHEN_REQUIRED'
    config.responseChecksumValidation = 'WHEN_REQUIRED'
    config.region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1'
  } else if (endpoint !== undefined) {
    config.endpoint = endpoint
  }
  return new (sdk().S3Client)(config)
}

/** An SDK error as the project's own. The server's words are kept, and never hold credentials; keys and signatures are not in them. */
export function s3Error(action: string, url: string, error: unknown): LayermillError {
  if (error instanceof LayermillError) return error
  const status = statusOf(error)
  const name = error instanceof Error ? error.name : ''
  const what = `cannot ${action} ${url}`
  if (name === 'CredentialsProviderError' || /credential/i.test(name)) {
    return new LayermillError('STORE_DENIED', `${what}: no credentials found`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where the machine has a role.', cause: error,
    })
  }
  if (name === 'NoSuchBucket') return new LayermillError('STORE_MISSING', `${what}: the bucket does not exist`, { cause: error })
  if (status === 401 || status === 403) {
    return new LayermillError('STORE_DENIED', `${what}: access denied (${name})`, { hint: 'Check the credentials and their policy.', cause: error })
  }
  if (/region/i.test(errorMessage(error)) && status === 0) {
    return new LayermillError('STORE_DENIED', `${what}: no region is set`, { hint: 'Set AWS_REGION.', cause: error })
  }
  if (name === 'QuotaExceeded' || status === 507) return new LayermillError('STORE_FULL', `${what}: the quota is used up`, { cause: error })
  if (status === 0 || status >= 500 || status === 429 || status === 409) {
    return new LayermillError('STORE_UNREACHABLE', `${what}: ${name} ${errorMessage(error)}`, { hint: 'Worth another try later.', cause: error })
  }
  return new LayermillError('STORE_FAILED', `${what}: ${status} ${name} ${errorMessage(error)}`, { cause: error })
}
