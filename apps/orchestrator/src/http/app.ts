import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Access } from './auth/authenticate.js'
import type { Caller } from '@layermill/contracts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Filled in from the table of routes. */
    access?: Access
  }
  interface FastifyRequest {
    /** Sender of the request; null on public routes of a server with tokens. */
    caller: Caller | null
  }
}

/** The server that routes are added to: requests and answers are checked by zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>
