import { errorMessage, LayermillError } from '@layermill/core'
import { refusedCredentials } from './refused.js'
import { statusOf } from './retry.js'

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

/** Whether an object lies in an archive class, which a server tells only those who may read it. */
export const isArchived = (error: unknown): boolean => nameOf(error) === 'InvalidObjectState'

/** Whether the key that an object is encrypted with cannot be used. */
const isKeyFault = (error: unknown): boolean => /^KMS\b/i.test(nameOf(error))

/** Whether a server refuses one object, or all: a probe of others tells. */
export function isDenied(error: unknown): boolean {
  if (refusedCredentials(error)) return false
  return isKeyFault(error) || statusOf(error) === 403 || statusOf(error) === 401
}

/** The region that a server names in its refusal of another one. */
function rightRegion(error: unknown): string | undefined {
  const said = error instanceof Error && 'Region' in error ? error.Region : undefined
  if (typeof said === 'string' && said !== '') return said
  const response =
    error instanceof Error && '$response' in error ? (error.$response as { headers?: Record<string, string> } | undefined) : undefined
  return response?.headers?.['x-amz-bucket-region'] ?? /expecting '([\w-]+)'/.exec(errorMessage(error))?.[1]
}

function regionError(what: string, error: unknown): LayermillError | undefined {
  const name = nameOf(error)
  if (statusOf(error) === 0 && /region/i.test(errorMessage(error))) {
    return new LayermillError('STORE_DENIED', `${what}: no region is set`, { hint: 'Set AWS_REGION.', cause: error })
  }
  const wrong = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', 'TemporaryRedirect'].includes(
    name,
  )
  const region = rightRegion(error)
  const headTells = [301, 307].includes(statusOf(error)) && region !== undefined
  if (!wrong && !headTells && statusOf(error) !== 301) return undefined
  const hint =
    region === undefined
      ? "Set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL_S3 to its own server."
      : `Set AWS_REGION=${region.slice(0, 40)}, the bucket's region.`
  return new LayermillError('STORE_DENIED', `${what}: the bucket is in another region (${name} ${statusOf(error)})`, { hint, cause: error })
}

function deniedError(what: string, error: unknown): LayermillError | undefined {
  const name = nameOf(error)
  if (name === 'CredentialsProviderError' || /credential/i.test(name)) {
    return new LayermillError('STORE_DENIED', `${what}: no credentials found`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where the machine has a role. Public buckets are read with --no-sign-request.',
      cause: error,
    })
  }
  if (refusedCredentials(error)) {
    return new LayermillError('STORE_DENIED', `${what}: the credentials are refused (${name})`, {
      hint: 'They have ended or were replaced; they were read anew, and are still refused. Renew them where they come from (environment, profile, role).',
      cause: error,
    })
  }
  if (isArchived(error)) {
    return new LayermillError('STORE_DENIED', `${what}: it is archived (${name})`, {
      hint: 'Restore it from its archive class first.',
      cause: error,
    })
  }
  if (isKeyFault(error)) {
    return new LayermillError('STORE_DENIED', `${what}: its encryption key cannot be used (${name})`, {
      hint: 'Enable the KMS key, or allow its use.',
      cause: error,
    })
  }
  if (name === 'RequestTimeTooSkewed') {
    return new LayermillError('STORE_DENIED', `${what}: the clocks differ (${name})`, { hint: "Set this machine's clock.", cause: error })
  }
  if (statusOf(error) === 401 || statusOf(error) === 403) {
    const hint = 'Check the credentials and their policy. Where the reader pays for requests, say --request-payer.'
    return new LayermillError('STORE_DENIED', `${what}: access denied (${name})`, { hint, cause: error })
  }
  return undefined
}

/** An SDK error as the project's own. The server's words are kept, and never hold credentials; keys and signatures are not in them. */
export function s3Error(action: string, url: string, error: unknown): LayermillError {
  if (error instanceof LayermillError) return error
  const status = statusOf(error)
  const name = nameOf(error)
  const what = `cannot ${action} ${url}`
  if (name === 'NoSuchBucket') return new LayermillError('STORE_MISSING', `${what}: the bucket does not exist`, { cause: error })
  const refused = regionError(what, error) ?? deniedError(what, error)
  if (refused !== undefined) return refused
  if (name === 'QuotaExceeded' || status === 507) return new LayermillError('STORE_FULL', `${what}: the quota is used up`, { cause: error })
  if (status === 0 || status >= 500 || status === 429 || status === 409) {
    return new LayermillError('STORE_UNREACHABLE', `${what}: ${name} ${errorMessage(error)}`, {
      hint: 'Worth another try later.',
      cause: error,
    })
  }
  return new LayermillError('STORE_FAILED', `${what}: ${status} ${name} ${errorMessage(error)}`, { cause: error })
}
