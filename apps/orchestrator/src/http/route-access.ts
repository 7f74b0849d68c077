import type { FastifyInstance } from 'fastify'
import type { Access } from './auth/authenticate.js'

/**
 * Access that every route requires: a token's scope, or nothing. A server with a route that is not here does not start.
 * The pages under /docs and the dashboard's own files are public: they hold no data.
 */
export const routeAccess = {
  'POST /v1/runs': 'submit',
  'GET /v1/runs': 'read',
  'POST /v1/runs/open': 'submit',
  'GET /v1/runs/:id': 'read',
  'PATCH /v1/runs/:id': 'submit',
  'POST /v1/runs/:id/cancel': 'submit',
  'POST /v1/runs/:id/pause': 'submit',
  'POST /v1/runs/:id/resume': 'submit',
  'GET /v1/runs/:id/events': 'read',
  'GET /v1/runs/:id/parts': 'read',
  'GET /v1/runs/:id/failures': 'read',
  'GET /v1/runs/:id/images': 'read',
  'GET /v1/runs/:id/layers': 'read',
  'GET /v1/runs/:id/predictions': 'read',
  'POST /v1/runs/:id/try': 'submit',
  'GET /v1/runs/:id/thumbnail': 'read',
  'GET /v1/runs/:id/evaluation': 'read',
  'GET /v1/runs/:id/projection': 'read',
  'GET /v1/runs/:id/map': 'read',
  'GET /v1/runs/:id/activations': 'read',
  'GET /v1/runs/:id/differences': 'read',
  'GET /v1/runs/:id/neighbours': 'read',
  'POST /v1/runs/:id/analyses': 'submit',
  'GET /v1/runs/:id/analyses': 'read',
  'DELETE /v1/runs/:id/analyses/:kind': 'submit',
  'GET /v1/runs/:id/comparison': 'read',
  'GET /v1/runs/:id/audit': 'read',
  'POST /v1/runs/:id/audit/verdicts': 'submit',
  'GET /v1/schedules': 'read',
  'POST /v1/schedules': 'submit',
  'GET /v1/schedules/:name': 'read',
  'PATCH /v1/schedules/:name': 'submit',
  'DELETE /v1/schedules/:name': 'submit',
  'POST /v1/schedules/:name/pause': 'submit',
  'POST /v1/schedules/:name/resume': 'submit',
  'POST /v1/schedules/:name/run': 'submit',
  'GET /v1/workers': 'read',
  'GET /v1/fleet': 'read',
  'POST /v1/fleet/pause': 'admin',
  'POST /v1/fleet/resume': 'admin',
  'GET /v1/queues': 'read',
  'GET /v1/queues/:queue/jobs': 'admin',
  'POST /v1/queues/:queue/jobs/:id/retry': 'admin',
  'DELETE /v1/queues/:queue/jobs/:id': 'admin',
  'GET /v1/models': 'read',
  'GET /v1/models/:name': 'read',
  'POST /v1/models/:name/try': 'submit',
  'POST /v1/models/:name/promote': 'submit',
  'POST /v1/models/:name/rollback': 'submit',
  'GET /v1/session': 'read',
  'GET /metrics': 'read',
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  'GET /openapi.json': 'public',
  'GET /': 'public',
  'GET /assets/*': 'public',
} as const satisfies Record<string, Access>

export const docsPrefix = '/docs'

/** Access that a route requires; undefined for a route that is not in the table. HEAD requires the same as GET. */
export function accessOf(method: string, url: string): Access | undefined {
  const route = `${method === 'HEAD' ? 'GET' : method} ${url}`
  const listed = Object.entries(routeAccess).find(([name]) => name === route)
  if (listed !== undefined) return listed[1]
  return url === docsPrefix || url.startsWith(`${docsPrefix}/`) ? 'public' : undefined
}

/**
 * Gives every route that is added from now on its access, from the table. Adding one that is not in the table throws, so that a server
 * with an unguarded route does not start.
 */
export function requireAccess(app: Pick<FastifyInstance, 'addHook'>): void {
  app.addHook('onRoute', route => {
    const methods = [route.method].flat()
    const [access, ...others] = new Set(methods.map(method => accessOf(method, route.url)))
    if (access === undefined || others.length > 0) {
      throw new Error(`${methods.join(', ')} ${route.url} is not in the table of routes: it needs a scope, or public`)
    }
    route.config = { ...route.config, access }
  })
}
