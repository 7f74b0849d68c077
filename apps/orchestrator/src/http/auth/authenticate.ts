import { LayermillError } from '@layermill/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FailureLimiter } from './failure-limiter.js'
import { refuseOtherMachines, refuseOtherSites } from './loopback.js'
import { allows, scopes, type Caller, type Scope } from '@layermill/contracts'
import type { TokenStore } from './token-store.js'

/** Access that a route requires: a scope, or nothing. */
export type Access = Scope | 'public'

export interface AuthenticationOptions {
  /** Undefined: nobody needs a token, which is for servers on loopback only. A store that is empty lets nobody in. */
  tokens: TokenStore | undefined
  /** Origins whose pages may ask also where nobody needs a token. */
  corsOrigins?: readonly string[]
  limiter: FailureLimiter
  onFailure: (reason: 'missing' | 'invalid' | 'scope' | 'blocked' | 'origin') => void
}

function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +([\w.~+/=-]{1,512})$/i.exec(header?.trim() ?? '')?.[1]
}

/** Says who is calling, or refuses. */
export class Authenticator {
  constructor(private readonly options: AuthenticationOptions) {}

  /**
   * @throws LayermillError `ORIGIN_REFUSED`, `TOKEN_MISSING`, `TOKEN_INVALID`, `SCOPE_MISSING` or `TOO_MANY_FAILURES`; the headers that
   * tell a client what to do are set on the reply.
   */
  async check(access: Access, request: FastifyRequest, reply: FastifyReply): Promise<Caller | undefined> {
    const { tokens } = this.options
    if (tokens === undefined) return this.local(request)
    if (access === 'public') return undefined
    const caller = await this.identify(tokens, request, reply)
    if (allows(caller.scopes, access)) return caller
    this.options.onFailure('scope')
    reply.header('www-authenticate', `Bearer realm="layermill", error="insufficient_scope", scope="${access}"`)
    throw new LayermillError('SCOPE_MISSING', `This needs the scope ${access}; the token ${caller.name} has ${caller.scopes.join(', ')}`)
  }

  private local(request: FastifyRequest): Caller {
    try {
      refuseOtherMachines(request.ip)
      refuseOtherSites(request.headers, this.options.corsOrigins)
    } catch (error) {
      this.options.onFailure('origin')
      throw error
    }
    return { name: 'local', scopes }
  }

  private refuseBlocked(request: FastifyRequest, reply: FastifyReply): void {
    const wait = this.options.limiter.blockedFor(request.ip)
    if (wait === 0) return
    this.options.onFailure('blocked')
    reply.header('retry-after', wait)
    throw new LayermillError('TOO_MANY_FAILURES', `Too many wrong tokens from this address; try again in ${wait} s`)
  }

  private async identify(tokens: TokenStore, request: FastifyRequest, reply: FastifyReply): Promise<Caller> {
    const token = bearerToken(request.headers.authorization)
    const caller = token === undefined ? undefined : await tokens.verify(token)
    // A caller with a right token gets in, whatever others at the same address have sent: behind a proxy or NAT they share it.
    if (caller !== undefined) return caller
    this.refuseBlocked(request, reply)
    if (request.headers.authorization === undefined) {
      this.options.onFailure('missing')
      reply.header('www-authenticate', 'Bearer realm="layermill"')
      throw new LayermillError('TOKEN_MISSING', 'Send a token: Authorization: Bearer TOKEN')
    }
    this.options.onFailure('invalid')
    this.options.limiter.record(request.ip)
    reply.header('www-authenticate', 'Bearer realm="layermill", error="invalid_token"')
    throw new LayermillError('TOKEN_INVALID', 'The token is unknown, malformed or has expired')
  }
}
