import Fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { accessOf, requireAccess, routeAccess } from './route-access.js'

describe('requireAccess', () => {
  it('refuses a route that nobody gave a scope', () => {
    const app = Fastify()
    requireAccess(app)
    app.get('/v1/runs', () => 'fine')
    expect(() => app.get('/v1/backdoor', () => 'open')).toThrow('GET /v1/backdoor is not in the table of routes')
    expect(() => app.delete('/v1/runs/:id', () => 'gone')).toThrow('DELETE /v1/runs/:id')
    expect(() => app.route({ method: ['GET', 'PUT'], url: '/v1/workers', handler: () => 'both' })).toThrow('GET, PUT /v1/workers')
  })

  it('refuses it in plugins as well', async () => {
    const app = Fastify()
    requireAccess(app)
    app.register(async plugin => {
      plugin.get('/hidden', () => 'open')
      await Promise.resolve()
    })
    await expect(app.ready()).rejects.toThrow('GET /hidden')
  })
})

describe('accessOf', () => {
  it('gives each route of the table what it needs, and HEAD what GET needs', () => {
    for (const [route, access] of Object.entries(routeAccess)) {
      const [method = '', url = ''] = route.split(' ')
      expect(accessOf(method, url)).toBe(access)
    }
    expect(accessOf('HEAD', '/v1/runs')).toBe('read')
    expect(accessOf('GET', '/docs/static/*')).toBe('public')
    expect(accessOf('GET', '/docsy')).toBeUndefined()
  })

  it("needs a token for everything but health, the description of the API and the dashboard's files", () => {
    const open = Object.entries(routeAccess)
      .filter(([, access]) => access === 'public')
      .map(([route]) => route)
    expect(open).toEqual(['GET /healthz', 'GET /readyz', 'GET /openapi.json', 'GET /', 'GET /assets/*'])
  })
})
