import type { defaultProvider } from '@aws-sdk/credential-provider-node'
import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/** Environment that the SDK's chain of providers reads. Where it changes, credentials are another process's affair, or a test's. */
const sources = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONFIG_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'HOME',
] as const

/** Credentials that requests are signed with. They may end at a time that they name. */
export type AwsCredentialIdentity = Awaited<ReturnType<ReturnType<typeof defaultProvider>>>
type Chain = (options?: Record<string, unknown>) => Promise<AwsCredentialIdentity>

/** For how long, in milliseconds, refusals that do not name their reason are let be, once one was not the credentials' fault. */
const unnamedEveryMs = 5000

/**
 * The credentials of a process, shared by all its clients. They come from the SDK's own chain (environment, profile, container, instance),
 * but never from its cache of files: a credentials file that is rotated is read again as soon as a server refuses what it held.
 */
export class SharedCredentials {
  private chain: Chain | undefined
  private identity: Promise<AwsCredentialIdentity> | undefined
  private environment = ''
  /** When credentials were read anew for a refusal without a reason, and were the same. */
  private inVainAt = -Infinity
  private renewing: Promise<void> | undefined

  /**
   * @param open makes a chain that has read nothing yet
   * @param now in milliseconds
   */
  constructor(
    private readonly open: () => Chain = openChain,
    private readonly now: () => number = Date.now,
  ) {}

  /** The credentials to sign with. @throws the SDK's `CredentialsProviderError` where there are none */
  async get(options?: Record<string, unknown>): Promise<AwsCredentialIdentity> {
    const environment = sources.map(name => process.env[name] ?? '').join('\0')
    if (environment !== this.environment) {
      this.environment = environment
      this.forget()
    }
    const known = await this.identity
    if (known !== undefined && known.expiration === undefined) return known
    // The chain renews what expires by itself, ahead of its time.
    return this.load(options)
  }

  /**
   * After a server has refused `used`: reads credentials anew, once for all clients that were refused.
   *
   * @param named false where the refusal may have had another reason; for five seconds after one that had, those are let be
   * @returns whether there are other credentials now
   */
  async renew(used: AwsCredentialIdentity, named: boolean): Promise<boolean> {
    const current = await this.get().catch(() => undefined)
    if (current !== undefined && !sameIdentity(current, used)) return true
    if (!named && this.now() - this.inVainAt < unnamedEveryMs) return false
    this.renewing ??= this.reload().finally(() => {
      this.renewing = undefined
    })
    await this.renewing
    const renewed = await this.get().catch(() => undefined)
    const changed = renewed !== undefined && !sameIdentity(renewed, used)
    if (!changed && !named) this.inVainAt = this.now()
    return changed
  }

  private async reload(): Promise<void> {
    this.forget()
    // Without credentials the request that comes next says so.
    await this.get().catch(() => undefined)
  }

  private forget(): void {
    this.chain = undefined
    this.identity = undefined
  }

  private load(options: Record<string, unknown> | undefined): Promise<AwsCredentialIdentity> {
    this.chain ??= this.open()
    const loading = this.chain(options)
    this.identity = loading
    loading.catch(() => {
      if (this.identity === loading) this.forget()
    })
    return loading
  }
}

function sameIdentity(a: AwsCredentialIdentity, b: AwsCredentialIdentity): boolean {
  return a.accessKeyId === b.accessKeyId && a.secretAccessKey === b.secretAccessKey && a.sessionToken === b.sessionToken
}

function openChain(): Chain {
  const { defaultProvider: open } = load('@aws-sdk/credential-provider-node') as { defaultProvider: typeof defaultProvider }
  return open({ ignoreCache: true })
}

/** This process's. */
export const sharedCredentials = new SharedCredentials()
