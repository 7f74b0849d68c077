import { createRequire } from 'node:module'
import type * as S3 from '@aws-sdk/client-s3'
import type * as HttpHandler from '@smithy/node-http-handler'

const load = createRequire(import.meta.url)

/** The AWS SDK, loaded when a bucket is first used: it takes a quarter of a second that work on local files need not wait for. */
export function sdk(): typeof S3 {
  return load('@aws-sdk/client-s3') as typeof S3
}

/** HTTP handler that sends the SDK's requests. It is loaded as late as the SDK. */
export function httpHandler(): typeof HttpHandler {
  return load('@smithy/node-http-handler') as typeof HttpHandler
}
