import { request } from 'node:http'
import { fixedTokens } from '@layermill/orchestrator'
import { parseBasePath, parseOrigin, parseTrustedProxies } from '@layermill/orchestrator/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startNginx } from '../../../scripts/services/nginx.mjs'
import { startBrowser, WatchedPage } from '../../helpers/browser.js'
import { runCli } from '../../helpers/cli.js'
import { bearer, type Fixture, startServer, tokens } from './server-fixture.js'

const program = process.env['LAYERMILL_TEST_NGINX']
const upstream = { extract: { kind: 'extract', source: '/photos', model: 'resnet50', layers: 'pool5', out: '/out' } }

interface Proxied {
  readonly server: Fixture
  /** Of nginx. */
  readonly url: string
  stop(): Promise<void>
}

/** A server behind nginx, which hands on paths as they are (`keep`) or without what it serves them below (`strip`). */
async function proxied(kind: 'keep' | 'strip', options: Parameters<typeof startServer>[0], proto = 'https'): Promise<Proxied> {
  const server = await startServer({ basePath: '/layermill', trustedProxies: ['127.0.0.1'], ...options })
  const target = kind === 'keep' ? server.url : `${server.url}/`
  const nginx = await startNginx(
    `location /layermill${kind === 'keep' ? '' : '/'} {
    proxy_pass ${target}; proxy_http_version 1.1; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto ${proto};
  }`,
    program,
  )
  return {
    server,
    url: nginx.url,
    stop: async () => {
      await nginx.stop()
      await server.close()
    },
  }
}

/** The status of a request that comes from one of this machine's addresses. */
function statusFrom(localAddress: string, url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { localAddress, headers, agent: false }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

describe.each(['keep', 'strip'] as const)('below a path of nginx, which hands paths on (%s)', kind => {
  let world: Proxied
  beforeAll(async () => {
    world = await proxied(kind, { corsOrigins: ['https://tools.example'], hstsSeconds: 600, failureLimits: { failures: 20 } })
  })
  afterAll(() => world?.stop())

  it('page, assets, API and documentation are there, and link to each other', async () => {
    const { url } = world
    const bare = await fetch(`${url}/layermill`, { redirect: 'manual' })
    expect([301, 308]).toContain(bare.status)
    expect(new URL(bare.headers.get('location') ?? '', url).pathname).toBe('/layermill/')
    for (const page of ['/layermill/', '/layermill/docs/', '/layermill/docs']) {
      const response = await fetch(`${url}${page}`)
      const html = await response.text()
      expect(response.status, page).toBe(200)
      const links = [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, link]) => new URL(link ?? '', `${url}${page}`))
      expect(links.length).toBeGreaterThan(3)
      for (const link of links) {
        expect(link.pathname, page).toMatch(/^\/layermill\//)
        const answer = await fetch(link)
        await answer.body?.cancel()
        expect(`${link.pathname} ${answer.status}`).toBe(`${link.pathname} 200`)
      }
    }
    const document = (await (await fetch(`${url}/layermill/openapi.json`)).json()) as { servers?: unknown; paths: Record<string, unknown> }
    expect(document).toMatchObject({ servers: [{ url: '/layermill' }], paths: { '/v1/runs': expect.any(Object) as object } })
    const submitted = await fetch(`${url}/layermill/v1/runs`, {
      method: 'POST',
      headers: { ...bearer('submit'), 'content-type': 'application/json' },
      body: JSON.stringify(upstream.extract),
    })
    expect(submitted.status).toBe(202)
    const location = submitted.headers.get('location') ?? ''
    expect(location).toMatch(/^\/layermill\/v1\/runs\//)
    expect((await fetch(`${url}${location}`, { headers: bearer('read') })).status).toBe(200)
  })

  it('the dashboard works in a browser', async () => {
    const browser = await startBrowser()
    try {
      const watched = await WatchedPage.open(browser, world.url)
      await watched.goto('/layermill/')
      await watched.page.getByLabel('Token').fill(tokens.admin)
      await watched.page.getByRole('button', { name: 'Sign in' }).click()
      await watched.page.getByRole('heading', { name: 'Runs' }).waitFor()
      await watched.goto('/layermill/#/new')
      await watched.page.getByLabel('source').first().waitFor()
      expect(watched.complaints).toEqual([])
    } finally {
      await browser.close()
    }
  })

  it('the command line reaches it', async () => {
    const { code, stderr } = await runCli(['runs', 'list', '--server', `${world.url}/layermill/`], {
      env: { LAYERMILL_TOKEN: tokens.read },
    })
    expect(code, stderr).toBe(0)
  })

  it('wrong tokens of one client lock out neither others nor right ones, and its address is not what it says', async () => {
    const workers = `${world.url}/layermill/v1/workers`
    for (let i = 0; i < 20; i++)
      expect(await statusFrom('127.0.0.2', workers, { authorization: `Bearer guess${i}`, 'x-forwarded-for': `203.0.113.${i}` })).toBe(401)
    expect(await statusFrom('127.0.0.2', workers, { authorization: 'Bearer guess', 'x-forwarded-for': '203.0.113.99' })).toBe(429)
    expect(await statusFrom('127.0.0.3', workers, { authorization: 'Bearer guess' })).toBe(401)
    expect(await statusFrom('127.0.0.2', workers, bearer('read'))).toBe(200)
    expect(await statusFrom('127.0.0.2', `${world.url}/layermill/metrics`, bearer('read'))).toBe(200)
  })

  it('says that TLS is insisted on, and lets pages of the named origins ask', async () => {
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${world.url}/layermill/v1/runs`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
      })
    const allowed = await preflight('https://tools.example')
    expect(allowed.status).toBe(204)
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://tools.example')
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization')
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull()
    const answer = await fetch(`${world.url}/layermill/v1/runs`, { headers: { ...bearer('read'), origin: 'https://tools.example' } })
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://tools.example')
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=600')
    // Refusals can be read by the page as well.
    const refused = await fetch(`${world.url}/layermill/v1/runs`, { headers: { origin: 'https://tools.example' } })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, 'https://tools.example'])
  })
})

describe('what is not asked for', () => {
  it('is not sent: HSTS without the flag or over plain HTTP, and CORS', async () => {
    for (const [options, proto] of [
      [{}, 'https'],
      [{ hstsSeconds: 600 }, 'http'],
    ] as const) {
      const world = await proxied('keep', options, proto)
      const answer = await fetch(`${world.url}/layermill/v1/runs`, { headers: { ...bearer('read'), origin: 'https://tools.example' } })
      expect(answer.headers.get('strict-transport-security')).toBeNull()
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      await world.stop()
    }
    // The word of whoever connects without a proxy does not count.
    const direct = await startServer({ hstsSeconds: 600 })
    expect(
      (await fetch(`${direct.url}/healthz`, { headers: { 'x-forwarded-proto': 'https' } })).headers.get('strict-transport-security'),
    ).toBeNull()
    await direct.close()
  })

  it('a server without tokens answers this machine only, also through a proxy', async () => {
    const world = await proxied('keep', { tokens: undefined, trustedProxies: ['loopback'] })
    expect(await statusFrom('127.0.0.1', `${world.url}/layermill/v1/runs`, {})).toBe(200)
    expect(await statusFrom('127.0.0.1', `${world.url}/layermill/v1/runs`, { 'x-forwarded-for': '203.0.113.9' })).toBe(403)
    await world.stop()
  })

  it('a token file without tokens lets nobody in, and the log says so', async () => {
    const fixture = await startServer({ tokens: fixedTokens([]) })
    for (const authorization of ['', 'Bearer anything', 'Bearer ']) {
      expect((await fetch(`${fixture.url}/v1/runs`, { headers: authorization === '' ? {} : { authorization } })).status).toBe(401)
    }
    expect((await fetch(`${fixture.url}/healthz`)).status).toBe(200)
    expect(fixture.log()).toContain('holds no token: nobody is let in')
    await fixture.close()
  })
})

describe('flags', () => {
  it.each([
    ['10.0.0.7', ['10.0.0.7']],
    ['10.0.0.0/8, fd00::/8', ['10.0.0.0/8', 'fd00::/8']],
    ['loopback,uniquelocal', ['loopback', 'uniquelocal']],
  ])('--trust-proxy %s', (text, expected) => {
    expect(parseTrustedProxies(text)).toEqual(expected)
  })

  it.each(['', 'everyone', '10.0.0.0/33', '10.0.0.7,example.org', '0x10', '*'])('--trust-proxy %j is refused', text => {
    expect(() => parseTrustedProxies(text)).toThrow(expect.objectContaining({ code: 'SPEC_INVALID' }) as Error)
  })

  it('--base-path and --cors-origin', () => {
    expect(['/', '/layermill', '/layermill/', '/a/b-c.d'].map(parseBasePath)).toEqual(['', '/layermill', '/layermill', '/a/b-c.d'])
    for (const text of ['layermill', '/a//b', '/a/../b', '/a?b', '/a b', 'http://x/'])
      expect(() => parseBasePath(text), text).toThrow('--base-path: got')
    expect(['https://tools.example', 'http://localhost:5173/'].map(parseOrigin)).toEqual(['https://tools.example', 'http://localhost:5173'])
    for (const text of ['*', 'null', 'tools.example', 'https://tools.example/page', 'file:///x'])
      expect(() => parseOrigin(text), text).toThrow('--cors-origin: got')
  })

  it('are refused by name before anything is started', async () => {
    const { code, stderr } = await runCli(['serve', '--queue', 'redis://127.0.0.1:1', '--trust-proxy', 'everyone'])
    expect(code).toBe(2)
    expect(stderr).toContain('--trust-proxy: got "everyone"')
  })
})
