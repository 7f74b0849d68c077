import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { scopes, type Problem } from '@layermill/contracts'
import { createLogger } from '@layermill/core/log'
import { createServer, createToken, Metrics, openTokens, parseTokens, removeToken, routeAccess } from '@layermill/orchestrator'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryFleet, MemoryRuns } from './memory-services.js'
import { bearer, startServer, tokens } from './server-fixture.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-http-'))
  return () => rm(folder, { recursive: true })
})

const urlOf = (url: string, route: string): string => `${url}${route.replace(':id', 'run-1')}`

describe('scopes', () => {
  it('every route refuses what its scope does not cover, before anything else', async () => {
    const fixture = await startServer()
    try {
      for (const [name, access] of Object.entries(routeAccess)) {
        const [method = '', route = ''] = name.split(' ')
        const status = async (headers: Record<string, string>): Promise<number> => {
          const response = await fetch(urlOf(fixture.url, route), { method, headers })
          await response.body?.cancel()
          return response.status
        }
        const anonymous = await status({})
        if (access === 'public') {
          // Of the dashboard's files there is none of that name.
          expect(`${name} ${anonymous}`).toBe(`${name} ${route.endsWith('*') ? 404 : 200}`)
          continue
        }
        expect(`${name} ${anonymous}`).toBe(`${name} 401`)
        for (const held of scopes) {
          const refused = scopes.indexOf(held) < scopes.indexOf(access)
          expect(`${name} ${held} ${[401, 403].includes(await status(bearer(held)))}`).toBe(`${name} ${held} ${refused}`)
        }
      }
    } finally {
      await fixture.close()
    }
  })

  it('says what is missing', async () => {
    const fixture = await startServer()
    const answers = await Promise.all(
      [{}, { authorization: 'Bearer lm_wrong' }, { authorization: 'Basic eDp5' }, bearer('read')].map(async headers => {
        const response = await fetch(`${fixture.url}/v1/runs`, { method: 'POST', headers })
        return [response.status, ((await response.json()) as Problem).code, response.headers.get('www-authenticate')]
      }),
    )
    await fixture.close()
    expect(answers).toEqual([
      [401, 'TOKEN_MISSING', 'Bearer realm="layermill"'],
      [401, 'TOKEN_INVALID', 'Bearer realm="layermill", error="invalid_token"'],
      [401, 'TOKEN_INVALID', 'Bearer realm="layermill", error="invalid_token"'],
      [403, 'SCOPE_MISSING', 'Bearer realm="layermill", error="insufficient_scope", scope="submit"'],
    ])
    expect(fixture.log()).not.toContain('lm_wrong')
    expect(fixture.log()).not.toContain(tokens.read)
  })
})

describe('failed attempts', () => {
  it('are counted by address, then refused for the window; a right token is not', async () => {
    let now = 1_000_000
    const fixture = await startServer({ failureLimits: { failures: 3, window: 60_000, now: () => now } })
    const status = async (headers: Record<string, string>): Promise<[number, string | null]> => {
      const response = await fetch(`${fixture.url}/v1/workers`, { headers })
      return [response.status, response.headers.get('retry-after')]
    }
    for (let i = 0; i < 5; i++) expect(await status({})).toEqual([401, null])
    for (let i = 0; i < 3; i++) expect(await status({ authorization: `Bearer guess${i}` })).toEqual([401, null])
    now += 10_000
    expect(await status({ authorization: 'Bearer guess' })).toEqual([429, '50'])
    expect(await status(bearer('read'))).toEqual([200, null])
    expect(await status({})).toEqual([429, '50'])
    expect((await fetch(`${fixture.url}/healthz`)).status).toBe(200)
    now += 50_000
    expect(await status(bearer('read'))).toEqual([200, null])
    const metrics = await (await fetch(`${fixture.url}/metrics`, { headers: bearer('read') })).text()
    expect(metrics).toContain('layermill_http_auth_failures_total{reason="invalid"} 3\n')
    expect(metrics).toContain('layermill_http_auth_failures_total{reason="blocked"} 2\n')
    expect(metrics).toContain('layermill_http_auth_failures_total{reason="missing"} 5\n')
    await fixture.close()
  })

  it("go by the client's address behind a trusted proxy, and by nobody's word elsewhere", async () => {
    for (const trusted of [true, false]) {
      const fixture = await startServer({ failureLimits: { failures: 1 }, ...(trusted ? { trustedProxies: ['127.0.0.1'] } : {}) })
      const status = async (from: string, headers: Record<string, string>): Promise<number> =>
        (await fetch(`${fixture.url}/v1/workers`, { headers: { ...headers, 'x-forwarded-for': from } })).status
      expect(await status('203.0.113.1', { authorization: 'Bearer guess' })).toBe(401)
      expect(await status('203.0.113.1', { authorization: 'Bearer guess' })).toBe(429)
      expect(await status('203.0.113.2', { authorization: 'Bearer guess' })).toBe(trusted ? 401 : 429)
      expect(await status('203.0.113.1', bearer('read'))).toBe(200)
      await fixture.close()
    }
  })
})

describe('without tokens', () => {
  const options = () => ({
    runs: new MemoryRuns(),
    fleet: new MemoryFleet(),
    port: 0,
    version: '1',
    metrics: new Metrics({ version: '1', defaults: false }),
    logger: createLogger({ level: 'silent' }),
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', 'example.org', '::ffff:192.0.2.1', ''])('binding %j is refused', async host => {
    await expect(createServer({ ...options(), host })).rejects.toMatchObject({
      code: 'TOKENS_REQUIRED',
      hint: expect.stringContaining('layermill tokens add') as string,
    })
  })

  it('a token file without a token counts as none', async () => {
    const file = path.join(folder, 'tokens')
    await writeFile(file, '# nobody yet\n')
    const store = await openTokens(file, () => {})
    await expect(createServer({ ...options(), host: '0.0.0.0', tokens: store })).rejects.toMatchObject({ code: 'TOKENS_REQUIRED' })
  })

  it('loopback is served openly, and the log says so', async () => {
    const fixture = await startServer({ tokens: undefined })
    expect((await fetch(`${fixture.url}/v1/runs`)).status).toBe(200)
    expect(fixture.log()).toContain('no tokens are configured: listening on loopback only')
    await fixture.close()
  })

  it('a port that is taken is told with a code', async () => {
    const fixture = await startServer()
    const { port } = new URL(fixture.url)
    await expect(startServer({ port: Number(port) })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: `--host 127.0.0.1 --port ${port}: another process listens there`,
      hint: expect.stringContaining('--port') as string,
    })
    await fixture.close()
  })

  it('pages of other sites are refused', async () => {
    const fixture = await startServer({ tokens: undefined })
    const { port } = new URL(fixture.url)
    const status = (headers: Record<string, string>, method = 'POST', path = '/v1/runs/run-1/cancel') =>
      new Promise<number>((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, method, path, headers }, response => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
        sent.on('error', reject)
        sent.end()
      })
    expect(await status({ host: 'rebound.example.org' }, 'GET', '/v1/runs')).toBe(403)
    expect(await status({ host: `127.0.0.1:${port}`, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await status({ host: `localhost:${port}`, origin: 'https://example.org' })).toBe(403)
    expect(await status({ host: `localhost:${port}`, origin: 'null' })).toBe(403)
    expect(await status({ host: `localhost:${port}`, origin: `http://localhost:${port}`, 'sec-fetch-site': 'same-origin' })).toBe(404)
    expect(await status({ host: `[::1]:${port}` })).toBe(404)
    await fixture.close()
  })
})

describe('token files', () => {
  it('hold hashes only, are private, and work from the next request on', async () => {
    const file = path.join(folder, 'tokens')
    const { token, record } = await createToken(file, { name: 'ci', scopes: ['submit'] })
    expect(token).toMatch(/^lm_[\w-]{43}$/)
    const text = await readFile(file, 'utf8')
    expect(text).not.toContain(token)
    expect(text).toContain(record.sha256)
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const warnings: string[] = []
    const store = await openTokens(file, message => warnings.push(message))
    const fixture = await startServer({ tokens: store })
    const status = async (secret: string): Promise<number> =>
      (await fetch(`${fixture.url}/v1/runs`, { headers: { authorization: `Bearer ${secret}` } })).status
    expect(await status(token)).toBe(200)

    const second = await createToken(file, { name: 'laptop', scopes: ['read'] })
    expect(await status(second.token)).toBe(200)
    expect(await removeToken(file, 'ci')).toBe(true)
    expect(await removeToken(file, 'ci')).toBe(false)
    expect(await status(token)).toBe(401)
    expect(await status(second.token)).toBe(200)

    await appendFile(file, 'half a li')
    expect(await status(second.token)).toBe(200)
    expect(warnings).toEqual([expect.stringContaining(':2 is not JSON; the tokens stay as they were')])
    await rm(file)
    expect(await status(second.token)).toBe(200)

    await writeFile(file, '')
    expect(await status(second.token)).toBe(401)
    expect((await fetch(`${fixture.url}/v1/runs`, { headers: { host: 'localhost' } })).status).toBe(401)
    await fixture.close()
  })

  it('tokens expire', async () => {
    const file = path.join(folder, 'tokens')
    const old = await createToken(file, { name: 'old', scopes: ['admin'], expires: '2020-01-01T00:00:00Z' })
    const current = await createToken(file, { name: 'current', scopes: ['admin'], expires: '2999-01-01T00:00:00Z' })
    const store = await openTokens(file, () => {})
    expect(await store.verify(old.token)).toBeUndefined()
    expect(await store.verify(current.token)).toEqual({ name: 'current', scopes: ['admin'] })
  })

  it('refuses names that are taken, and what cannot be', async () => {
    const file = path.join(folder, 'tokens')
    await createToken(file, { name: 'ci', scopes: ['read'] })
    await expect(createToken(file, { name: 'ci', scopes: ['read'] })).rejects.toMatchObject({ code: 'TOKEN_EXISTS' })
    await expect(createToken(file, { name: 'a b', scopes: ['read'] })).rejects.toMatchObject({ code: 'TOKENS_INVALID' })
    await expect(createToken(file, { name: 'x', scopes: [] })).rejects.toMatchObject({ code: 'TOKENS_INVALID' })
    await expect(createToken(file, { name: 'x', scopes: ['root' as never] })).rejects.toMatchObject({ code: 'TOKENS_INVALID' })
    await expect(openTokens(path.join(folder, 'none'), () => {})).rejects.toMatchObject({ code: 'TOKENS_UNREADABLE' })
    expect(() => parseTokens('{"name":"a"}', 'file')).toThrow(/file:1: sha256: .*\n.*scopes/)
    expect(() =>
      parseTokens(`${(JSON.stringify({ name: 'a', sha256: 'a'.repeat(64), scopes: ['read'] }) + '\n').repeat(2)}`, 'file'),
    ).toThrow('two tokens are named a')
  })
})

describe('the log', () => {
  it('hides secrets wherever they are', () => {
    let text = ''
    const logger = createLogger({
      destination: new Writable({
        write(chunk: Buffer, _encoding, done) {
          text += chunk.toString()
          done()
        },
      }),
    })
    const child = logger.child({ queue: 'redis://user:hunter2@host' })
    child.info(
      { headers: { authorization: 'Bearer hunter2', Cookie: 'hunter2' }, list: ['postgres://u:hunter2@h/db'] },
      'at https://a:hunter2@b/?sig=hunter2',
    )
    logger.error(new Error('s3: https://b/?X-Amz-Signature=hunter2', { cause: new Error('rediss://:hunter2@h') }))
    logger.warn({ err: new Error('postgres://u:hunter2/x@h'), password: 'hunter2' }, 'at %s', 'redis://:hunter2@h')
    expect(text).not.toContain('hunter2')
    const lines = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(lines).toMatchObject([
      { level: 'info', queue: 'redis://***@host', msg: 'at https://***@b/?sig=***', list: ['postgres://***@h/db'] },
      { level: 'error', msg: 's3: https://b/?X-Amz-Signature=***', err: { type: 'Error' } },
      { level: 'warn', password: '***', msg: 'at redis://***@h' },
    ])
  })
})
