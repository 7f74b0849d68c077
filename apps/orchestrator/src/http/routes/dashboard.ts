import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { App } from '../app.js'

/** Only the server's own files, no inline code or styles; pictures that the page has fetched with its token are blobs. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Seconds of a year: the names of assets change with their content. */
const year = 365 * 24 * 3600

/**
 * The dashboard's page at `/` and its files under `/assets/`. They hold no data, so that they need no token: the page asks for one and
 * sends it with each request.
 *
 * @param folder what the dashboard's build made: `index.html` and `assets/`
 */
export async function addDashboard(app: App, folder: string): Promise<void> {
  await app.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    index: false,
    dotfiles: 'ignore',
    preCompressed: true,
    immutable: true,
    maxAge: year * 1000,
    schemaHide: true,
  })
  app.get('/', { schema: { hide: true } }, (_request, reply) =>
    reply.header('content-security-policy', pagePolicy).sendFile('index.html', folder, { immutable: false, maxAge: 0, cacheControl: true }),
  )
}
