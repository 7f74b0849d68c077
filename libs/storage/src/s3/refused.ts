import type { S3Client } from '@aws-sdk/client-s3'
import type { SharedCredentials } from './credentials.js'
import { statusOf } from './retry.js'

/** Error names of servers for credentials that have ended, were replaced or revoked. */
const refusals = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidClientTokenId',
])
/** Known names of other reasons; a secret that was replaced under the same key is one of them. */
const secretReplaced = 'SignatureDoesNotMatch'

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

/** Whether a server refused the credentials themselves, not what they ask for. */
export const refusedCredentials = (error: unknown): boolean => refusals.has(nameOf(error)) || nameOf(error) === secretReplaced

/** An answer without a body, as every one to a HEAD, names no reason: the SDK puts the status or nothing there. */
function isUnnamed(error: unknown): boolean {
  const status = statusOf(error)
  return (
    (status === 400 || status === 401 || status === 403) &&
    /^(\d{3}|unknown\w*|forbidden|badrequest|unauthorized|error|)$/i.test(nameOf(error))
  )
}

/** Lets a client read credentials anew and try once more where a server refuses those it has. */
export function renewRefused(client: S3Client, credentials: SharedCredentials): void {
  client.middlewareStack.add(
    next => async args => {
      const used = await credentials.get()
      try {
        return await next(args)
      } catch (error) {
        const named = refusedCredentials(error)
        if (!named && !isUnnamed(error)) throw error
        const changed = await credentials.renew(used, named)
        // A secret that does not fit stays as wrong as it was; what has ended may have been good for all but a moment.
        if (!changed && !refusals.has(nameOf(error))) throw error
        return await next(args)
      }
    },
    { step: 'initialize', name: 'layermillRenewCredentials', priority: 'low' },
  )
}
