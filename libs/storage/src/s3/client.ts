import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { LayermillError } from '@layermill/core'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type SharedCredentials, sharedCredentials } from './credentials.js'
import { renewRefused } from './refused.js'
import { httpHandler, sdk } from './sdk.js'

/** Requests under way at once to one store; more wait for a socket. */
export const sockets = 64

/** How long a server may take, in milliseconds, before a request is given up and tried again. */
export interface Timeouts {
  readonly connect: number
  /** Until the answer's headers are there; a 64 MiB upload on a slow line takes its time. */
  readonly answer: number
  /** Without a byte of a body that has begun. */
  readonly idle: number
}

export const defaultTimeouts: Timeouts = { connect: 10_000, answer: 120_000, idle: 30_000 }

/** How a source is reached, besides its address. */
export interface SourceAccess {
  /** Only rows of a list or table whose `split` column says this. */
  readonly split?: string | undefined
  /** Columns of a list or table that labels are in, where they have other names than usual or are several. */
  readonly labelColumns?: readonly string[] | undefined
  /** The reader pays for requests and bytes, where the bucket's owner wants that (`x-amz-request-payer`). */
  readonly requestPayer?: boolean | undefined
  /** Requests are not signed: for public buckets, without credentials. */
  readonly noSignRequest?: boolean | undefined
}

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
  const prefix = match?.[2] ?? ''
  if (prefix.split('/').includes('..')) {
    throw new LayermillError('STORE_URL', `${url}: '..' in a place of a bucket; expected s3://bucket/prefix`, {
      hint: 'Buckets have no folders to go up from: name the place itself.',
    })
  }
  return { bucket, prefix }
}

/** The server other than AWS that the environment names, if any. */
export function s3Endpoint(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? env['S3_ENDPOINT']
}

function isAws(endpoint: string): boolean {
  return /\.(amazonaws\.com(\.cn)?|api\.aws)$/.test(new URL(endpoint).hostname)
}

/** Options of a client. Default: `process.env` and the process's own credentials. */
export interface ClientOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly timeouts?: Timeouts
  readonly access?: SourceAccess
  readonly credentials?: SharedCredentials
}

/**
 * A client with the process's credentials (environment, profile, container, instance), which are read anew where a server refuses them. The
 * SDK's retries are off: `withRetries` also covers bodies that break off, which the SDK's do not.
 */
export function s3Client({
  env = process.env,
  timeouts = defaultTimeouts,
  access = {},
  credentials = sharedCredentials,
}: ClientOptions = {}): S3Client {
  const { NodeHttpHandler } = httpHandler()
  const endpoint = s3Endpoint(env)
  const config: S3ClientConfig = {
    maxAttempts: 1,
    followRegionRedirects: true,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connect,
      requestTimeout: timeouts.answer,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: sockets }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: sockets }),
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
  if (access.noSignRequest === true) {
    config.credentials = { accessKeyId: '', secretAccessKey: '' }
    config.signer = { sign: async request => request }
  } else {
    // The mark keeps the SDK from holding on to credentials that do not say when they end.
    config.credentials = Object.assign(async (options?: Record<string, unknown>) => credentials.get(options), { memoized: true })
  }
  const client = new (sdk().S3Client)(config)
  if (access.noSignRequest !== true) renewRefused(client, credentials)
  if (access.requestPayer === true) payForRequests(client)
  return client
}

function payForRequests(client: S3Client): void {
  client.middlewareStack.add(
    next => async args => {
      const { request } = args
      if (typeof request === 'object' && request !== null && 'headers' in request)
        Object.assign(request.headers as object, { 'x-amz-request-payer': 'requester' })
      return next(args)
    },
    { step: 'build', name: 'layermillRequestPayer' },
  )
}
