import { isIP } from 'node:net'
import cors from '@fastify/cors'
import { LayermillError } from '@layermill/core'
import type { FastifyInstance } from 'fastify'
import type { App } from './app.js'

/** Settings of a server behind a reverse proxy. */
export interface ProxyOptions {
  /** Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto count. Default: none. */
  readonly trustedProxies?: string[] | undefined
  /** Path that the proxy serves this server below, as `/layermill`; requests with and without it are answered. Default: none. */
  readonly basePath?: string | undefined
  /** Seconds that browsers are to insist on TLS for this host; sent over TLS only. Default: not said. */
  readonly hstsSeconds?: number | undefined
  /** Origins whose pages may ask, as `https://tools.example`. Default: none but this server's own. */
  readonly corsOrigins?: readonly string[] | undefined
}

/** Names of ranges of addresses, as the proxy library knows them. */
const ranges = new Set(['loopback', 'linklocal', 'uniquelocal'])

function isAddress(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/**
 * The proxies that `--trust-proxy` names: addresses, subnets (`10.0.0.0/8`), or `loopback`, `linklocal`, `uniquelocal`, with commas.
 * @throws LayermillError `SPEC_INVALID`
 */
export function parseTrustedProxies(text: string): string[] {
  const items = text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
  const wrong = items.find(item => !ranges.has(item) && !isAddress(item))
  if (wrong === undefined && items.length > 0) return items
  throw new LayermillError(
    'SPEC_INVALID',
    `--trust-proxy: got ${JSON.stringify(wrong ?? text)}, expected addresses or subnets of proxies, as 10.0.0.7 or 10.0.0.0/8, or loopback, linklocal, uniquelocal, with commas`,
  )
}

/**
 * A path without its last slash; '' for the root.
 * @throws LayermillError `SPEC_INVALID`
 */
export function parseBasePath(text: string): string {
  const path = text.replace(/\/+$/, '')
  if (path === '' || (/^(\/[\w.~-]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path))) return path
  throw new LayermillError('SPEC_INVALID', `--base-path: got ${JSON.stringify(text)}, expected a path, as /layermill`)
}

/**
 * An origin as browsers send it.
 * @throws LayermillError `SPEC_INVALID`
 */
export function parseOrigin(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null'
  if (origin !== 'null' && /^https?:/.test(origin) && text.replace(/\/$/, '').toLowerCase() === origin) return origin
  throw new LayermillError(
    'SPEC_INVALID',
    `--cors-origin: got ${JSON.stringify(text)}, expected an origin, as https://tools.example, without a path`,
  )
}

/** A request's path as routes know it: without the base path, where it begins with it. */
export function withoutBasePath(url: string, basePath: string): string {
  if (basePath === '' || !url.startsWith(basePath)) return url
  const rest = url.slice(basePath.length)
  if (rest === '' || rest.startsWith('?')) return `/${rest}`
  return rest.startsWith('/') ? rest : url
}

/** Sends the page's own address to where its relative links hold, and puts the base path before every address that answers name. */
function addBasePath(app: Pick<FastifyInstance, 'addHook'>, basePath: string): void {
  app.addHook('onRequest', async (request, reply) => {
    const [path, query] = request.originalUrl.split('?', 2)
    if (path === basePath) return reply.redirect(query === undefined ? '/' : `/?${query}`, 308)
    return undefined
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && location.startsWith('/')) reply.header('location', `${basePath}${location}`)
    done(null, payload)
  })
}

/** Adds support for reverse proxies and for pages of other sites. Call it before the routes and their access. */
export async function addProxySupport(app: App, { basePath = '', hstsSeconds, corsOrigins = [] }: ProxyOptions): Promise<void> {
  if (corsOrigins.length > 0) {
    await app.register(cors, {
      origin: [...corsOrigins],
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
      exposedHeaders: ['location', 'retry-after', 'www-authenticate', 'x-request-id'],
      maxAge: 600,
    })
  }
  if (basePath !== '') addBasePath(app, basePath)
  if (hstsSeconds === undefined) return
  app.addHook('onRequest', (request, reply, done) => {
    // Over plain HTTP browsers pass it over, and where no proxy speaks TLS it would lock people out.
    if (request.protocol === 'https') reply.header('strict-transport-security', `max-age=${hstsSeconds}`)
    done()
  })
}
