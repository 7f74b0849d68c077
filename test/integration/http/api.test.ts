import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { failureTable, LayermillError, receivedCode } from '@layermill/core'
import type { Problem, RunPage, RunSummary } from '@layermill/contracts'
import { noModels, orchestratorMetrics, problemKinds, routeAccess } from '@layermill/orchestrator'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { emptyInspection } from './memory-inspection.js'
import { MemorySchedules } from './memory-schedules.js'
import { bearer, startServer, type Fixture } from './server-fixture.js'

let fixture: Fixture

beforeEach(async () => {
  fixture = await startServer()
  return () => fixture.close()
})

interface Answer<T> {
  status: number
  headers: Headers
  body: T
}

interface Init extends Omit<RequestInit, 'headers'> {
  headers?: Record<string, string>
}

async function ask<T = Problem>(path: string, init: Init = {}): Promise<Answer<T>> {
  const response = await fetch(`${fixture.url}${path}`, { ...init, headers: { ...bearer('submit'), ...init.headers } })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as T }
}

const post = <T = Problem>(path: string, body: unknown): Promise<Answer<T>> =>
  ask<T>(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

const spec = {
  kind: 'extract',
  source: 's3://photos/2026/',
  model: 'resnet50',
  layers: 'res4,pool5',
  size: '320x256',
  out: 's3://features/2026',
}

describe('pictures that are tried', () => {
  const tryPicture = (type: string, body: string | Uint8Array<ArrayBuffer>): Promise<Answer<Problem & { network?: string }>> =>
    ask('/v1/models/pets/try', { method: 'POST', headers: { 'content-type': type }, body })

  it('are files of at most 16 MiB, and nothing else', async () => {
    expect((await tryPicture('image/jpeg', new Uint8Array(5))).body).toMatchObject({ network: 'pets 5' })
    expect((await tryPicture('application/octet-stream', new Uint8Array(300_000))).body).toMatchObject({ network: 'pets 300000' })
    expect(await tryPicture('image/jpeg', '')).toMatchObject({ status: 400, body: { code: 'BODY_INVALID' } })
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x'])
      expect(await tryPicture(type, '{}'), type).toMatchObject({ status: 415, body: { code: 'MEDIA_TYPE' } })
    const large = await fetch(`${fixture.url}/v1/models/pets/try`, {
      method: 'POST',
      headers: { ...bearer('submit'), 'content-type': 'image/jpeg' },
      body: new Uint8Array(16 * 1024 * 1024 + 1),
    }).catch(() => undefined)
    // The server may close the connection before all of it is sent.
    expect([413, undefined]).toContain(large?.status)
    await large?.text()
  })
})

describe('runs', () => {
  it('are submitted with defaults filled in, shown, cancelled and resumed', async () => {
    const submitted = await post<RunSummary>('/v1/runs', spec)
    expect(submitted.status).toBe(202)
    expect(submitted.body).toEqual({
      id: 'run-1',
      kind: 'extract',
      state: 'planning',
      source: 's3://photos/2026/',
      model: 'resnet50',
      out: 's3://features/2026',
      counts: { images: 0, done: 0, failed: 0, parts: 0 },
      created: '2026-01-02T03:04:05.000Z',
    })
    expect(submitted.headers.get('location')).toBe('/v1/runs/run-1')

    const shown = await ask<{ spec: Record<string, unknown> }>('/v1/runs/run-1')
    expect(shown.status).toBe(200)
    expect(shown.body.spec).toMatchObject({
      layers: ['res4', 'pool5'],
      size: { width: 320, height: 256 },
      weights: 'imagenet',
      format: 'npy',
    })
    expect((await post('/v1/runs', shown.body.spec)).status).toBe(202)

    expect((await ask('/v1/runs/run-1/resume', { method: 'POST' })).body).toMatchObject({ status: 409, code: 'RUN_ACTIVE' })
    expect((await ask<RunSummary>('/v1/runs/run-1/cancel', { method: 'POST' })).body.state).toBe('cancelled')
    expect((await ask<RunSummary>('/v1/runs/run-1/resume', { method: 'POST' })).body.state).toBe('running')
    fixture.runs.setState('run-1', 'done')
    expect((await ask('/v1/runs/run-1/cancel', { method: 'POST' })).body).toMatchObject({ status: 409, code: 'RUN_FINISHED' })
  })

  it('are planned on request: an answer, and no run', async () => {
    expect(await post('/v1/runs', { ...spec, plan: true })).toMatchObject({
      status: 200,
      body: { kind: 'extract', model: 'resnet50', images: 3, batchSize: 'auto' },
    })
    expect(
      await post('/v1/runs', { kind: 'finetune', source: 's3://pets/', model: 'vgg16', out: 's3://models/pets', plan: true }),
    ).toMatchObject({ status: 200, body: { kind: 'finetune', trainable: 2 } })
    expect((await ask<RunPage>('/v1/runs')).body.runs).toEqual([])
    expect((await post('/v1/runs', { ...spec, plan: true, layers: 4 })).body).toMatchObject({ status: 422, code: 'SPEC_INVALID' })
  })

  it('are listed in pages, newest first, by state and kind', async () => {
    for (let i = 0; i < 5; i++) await post('/v1/runs', spec)
    fixture.runs.setState('run-2', 'failed')
    const first = await ask<RunPage>('/v1/runs?limit=2')
    expect(first.body.runs.map(({ id }) => id)).toEqual(['run-5', 'run-4'])
    const second = await ask<RunPage>(`/v1/runs?limit=2&cursor=${first.body.next}`)
    expect(second.body.runs.map(({ id }) => id)).toEqual(['run-3', 'run-2'])
    const third = await ask<RunPage>(`/v1/runs?limit=2&cursor=${second.body.next}`)
    expect(third.body).toMatchObject({ runs: [{ id: 'run-1' }] })
    expect(third.body.next).toBeUndefined()
    expect((await ask<RunPage>('/v1/runs?state=failed&kind=extract')).body.runs.map(({ id }) => id)).toEqual(['run-2'])
    expect((await ask('/v1/runs?cursor=elsewhere')).body).toMatchObject({ status: 400, code: 'CURSOR_INVALID' })
  })

  it('refuse a wrong spec naming every field', async () => {
    const { status, headers, body } = await post('/v1/runs', { ...spec, kind: 'extract', modle: 'resnet50', format: 'csv', out: undefined })
    expect(status).toBe(422)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({
      code: 'SPEC_INVALID',
      type: 'urn:layermill:error:SPEC_INVALID',
      title: 'The spec is not valid',
      status: 422,
    })
    expect(body.errors).toEqual([
      'out: got nothing, expected a path or URL',
      'format: got "csv", expected one of npy, parquet, safetensors',
      'modle: unknown field',
    ])
    expect(body.instance).toBe(`urn:layermill:request:${headers.get('x-request-id')}`)
  })

  it('never take credentials in, nor show them', async () => {
    const { status, body } = await post('/v1/runs', { ...spec, source: 'https://user:hunter2@host/list.txt' })
    expect(status).toBe(422)
    expect(JSON.stringify(body)).not.toContain('hunter2')
    expect(fixture.log()).not.toContain('hunter2')
  })
})

describe('errors', () => {
  const cases: { name: string; path: string; init?: Init; status: number; code: string; detail?: string }[] = [
    { name: 'unknown path', path: '/v2', status: 404, code: 'ROUTE_UNKNOWN' },
    { name: 'unknown run', path: '/v1/runs/nothing', status: 404, code: 'RUN_UNKNOWN' },
    { name: 'id that cannot be', path: '/v1/runs/UPPER', status: 400, code: 'PARAMETER_INVALID', detail: 'path parameter id' },
    { name: 'id that is too long', path: `/v1/runs/${'a'.repeat(201)}`, status: 400, code: 'PARAMETER_INVALID' },
    { name: 'malformed escape', path: '/v1/runs/%E0%A4%A', status: 400, code: 'REQUEST_INVALID' },
    {
      name: 'limit',
      path: '/v1/runs?limit=0',
      status: 400,
      code: 'PARAMETER_INVALID',
      detail: 'query parameter limit: a whole number from 1 to 200',
    },
    { name: 'unknown parameter', path: '/v1/runs?page=2', status: 400, code: 'PARAMETER_INVALID', detail: 'page' },
    { name: 'wrong method', path: '/v1/workers', init: { method: 'DELETE' }, status: 405, code: 'METHOD_NOT_ALLOWED' },
    { name: 'no body', path: '/v1/runs', init: { method: 'POST' }, status: 422, code: 'SPEC_INVALID' },
    {
      name: 'not JSON',
      path: '/v1/runs',
      init: { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
      status: 400,
      code: 'BODY_INVALID',
    },
    {
      name: 'empty JSON',
      path: '/v1/runs',
      init: { method: 'POST', body: '', headers: { 'content-type': 'application/json' } },
      status: 400,
      code: 'BODY_INVALID',
    },
    {
      name: 'text',
      path: '/v1/runs',
      init: { method: 'POST', body: JSON.stringify(spec), headers: { 'content-type': 'text/plain' } },
      status: 415,
      code: 'MEDIA_TYPE',
    },
    {
      name: 'form',
      path: '/v1/runs',
      init: { method: 'POST', body: new URLSearchParams({ kind: 'extract' }) },
      status: 415,
      code: 'MEDIA_TYPE',
    },
    {
      name: 'prototype',
      path: '/v1/runs',
      init: { method: 'POST', body: '{"__proto__":{"kind":"extract"}}', headers: { 'content-type': 'application/json' } },
      status: 400,
      code: 'BODY_INVALID',
    },
    {
      name: 'too large',
      path: '/v1/runs',
      init: {
        method: 'POST',
        body: JSON.stringify({ ...spec, source: 'x'.repeat(262_145) }),
        headers: { 'content-type': 'application/json' },
      },
      status: 413,
      code: 'BODY_TOO_LARGE',
    },
  ]

  it.each(cases)('$name: $status $code', async ({ path, init, status, code, detail }) => {
    const answer = await ask(path, init)
    expect(answer).toMatchObject({ status, body: { status, code, type: `urn:layermill:error:${code}` } })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    if (detail !== undefined) expect(answer.body.detail).toContain(detail)
  })

  it('a wrong method names the right ones', async () => {
    expect((await ask('/v1/runs', { method: 'PUT' })).headers.get('allow')).toBe('POST, GET, HEAD')
  })

  it('an internal error tells nothing but its request, and is logged without credentials', async () => {
    fixture.runs.failure = new Error('connect redis://admin:hunter2@10.0.0.7:6379 /srv/secret')
    const { status, body } = await ask('/v1/runs', { headers: { 'x-request-id': 'my-request' } })
    expect(status).toBe(500)
    expect(body).toEqual({
      type: 'urn:layermill:error:INTERNAL',
      title: 'Internal error',
      status: 500,
      code: 'INTERNAL',
      instance: 'urn:layermill:request:my-request',
      detail: "The server could not answer this request; its log has the reason under the request's id.",
    })
    const logged =
      fixture
        .log()
        .split('\n')
        .find(line => line.includes('request failed')) ?? ''
    expect(JSON.parse(logged)).toMatchObject({ request: 'my-request', err: { message: 'connect redis://***@10.0.0.7:6379 /srv/secret' } })
    expect(fixture.log()).not.toContain('hunter2')
  })

  it('a body that nests deeper than any request is refused before it is parsed', async () => {
    const body = `{"kind":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const answer = await ask('/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(answer.body).toMatchObject({ status: 400, code: 'BODY_INVALID', detail: expect.stringContaining('32 levels') as string })
    expect((await post('/v1/runs', { ...spec, source: '['.repeat(300) })).status).toBe(202)
  })

  it('a request with two Host headers is refused', async () => {
    const { hostname, port } = new URL(fixture.url)
    const answer = await new Promise<string>(resolve => {
      let text = ''
      const socket = connect({ host: hostname, port: Number(port) }, () =>
        socket.end(`GET /healthz HTTP/1.1\r\nhost: ${hostname}:${port}\r\nHost: example.org\r\nconnection: close\r\n\r\n`),
      )
      socket.on('data', chunk => {
        text += String(chunk)
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*"code":"REQUEST_INVALID"/s)
  })

  it('a queue that is away is 503, without its address', async () => {
    fixture.runs.failure = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:6379'), { code: 'ECONNREFUSED' })
    const { status, headers, body } = await ask('/v1/runs')
    expect({ status, code: body.code, retry: headers.get('retry-after') }).toEqual({ status: 503, code: 'UNAVAILABLE', retry: '5' })
    expect(JSON.stringify(body)).not.toContain('10.0.0.7')
  })

  it('a queue that does not answer at all is 503 as well, everywhere', async () => {
    const silent = new Proxy(fixture.runs, {
      get: (target, key) => (key === 'events' ? target.events.bind(target) : () => new Promise(() => {})),
    })
    const fleet = new Proxy(fixture.fleet, { get: () => () => new Promise(() => {}) })
    const models = new Proxy(noModels(), { get: () => () => new Promise(() => {}) })
    const schedules = new Proxy(new MemorySchedules(), { get: () => () => new Promise(() => {}) })
    const inspection = new Proxy(emptyInspection, { get: () => () => new Promise(() => {}) })
    const shelf = { describe: () => new Promise<never>(() => {}), open: () => new Promise<never>(() => {}) }
    const tries = { model: () => new Promise<never>(() => {}), run: () => new Promise<never>(() => {}) }
    const analyses = {
      start: () => new Promise<never>(() => {}),
      cancel: () => new Promise<never>(() => {}),
      list: () => new Promise<never>(() => {}),
    }
    const hanging = await startServer({ runs: silent, shelf, fleet, models, schedules, inspection, tries, analyses, serviceDeadline: 20 })
    const queries: Record<string, string> = {
      thumbnail: '?part=0&key=a',
      projection: '?layer=fc7',
      map: '?layer=fc7',
      neighbours: '?layer=fc7&point=0',
      activations: '?layer=fc7&part=0&key=a',
      differences: '?layer=fc7',
    }
    for (const route of Object.keys(routeAccess)) {
      const [method = '', path = ''] = route.split(' ')
      const bodies: Record<string, object> = {
        '/v1/runs': spec,
        '/v1/runs/open': { place: '/data/run' },
        '/v1/runs/:id': { name: 'some' },
        '/v1/schedules': { name: 'some', cron: '@daily', spec },
        '/v1/schedules/:name': { tz: 'UTC' },
        '/v1/models/:name/promote': { version: 1 },
        '/v1/models/:name/rollback': {},
        '/v1/runs/:id/analyses': { kind: 'audit' },
        '/v1/runs/:id/audit/verdicts': { verdicts: [{ key: 'a', finding: 'label', verdict: 'dismissed' }] },
      }
      const body =
        ['POST', 'PATCH'].includes(method) && bodies[path] !== undefined
          ? { body: JSON.stringify(bodies[path]), headers: { ...bearer('submit'), 'content-type': 'application/json' } }
          : path.endsWith('/try')
            ? { body: 'a picture', headers: { ...bearer('submit'), 'content-type': 'image/png' } }
            : { headers: bearer('admin') }
      const response = await fetch(
        `${hanging.url}${path.replace(':id', 'run-1').replace(':name', 'some').replace(':kind', 'audit').replace(':queue', 'layermill-parts')}${queries[path.split('/').at(-1) ?? ''] ?? ''}`,
        { method, ...body },
      )
      await response.text()
      const answers = ['/healthz', '/metrics', '/openapi.json', '/v1/session', '/'].includes(path)
      expect(`${route} ${response.status}`).toBe(`${route} ${answers ? 200 : path.endsWith('*') ? 404 : 503}`)
    }
    await hanging.close()
  })

  it('every code in the table comes with its status, title and hint', async () => {
    for (const [code, { status, title }] of Object.entries(problemKinds)) {
      fixture.runs.failure = new LayermillError(receivedCode(code), 'message', { hint: 'do this' })
      const { body } = await ask('/v1/runs/some-run')
      expect(body).toMatchObject({ code, status, title, ...(code === 'INTERNAL' ? {} : { detail: 'message', hint: 'do this' }) })
    }
  })

  it('every code that ends a request has its status, and docs/http-api.md names it', () => {
    // These are told to who starts the server, not to its clients.
    const local = ['LISTEN_FAILED', 'TOKENS_INVALID', 'TOKENS_REQUIRED', 'TOKENS_UNREADABLE', 'TOKENS_UNWRITABLE', 'TOKEN_EXISTS']
    const codes = Object.entries(failureTable)
      .filter(([code, { scope }]) => scope === 'request' && !local.includes(code))
      .map(([code]) => code)
    expect(codes.length).toBeGreaterThan(15)
    expect(Object.keys(problemKinds)).toEqual(expect.arrayContaining(codes))
    const text = readFileSync(new URL('../../../docs/http-api.md', import.meta.url), 'utf8')
    for (const [code, { status }] of Object.entries(problemKinds)) {
      const row = text.split('\n').find(line => line.includes(`\`${code}\``) && line.startsWith('| '))
      expect(row?.split('|')[1], code).toContain(String(status))
    }
    for (const route of Object.keys(routeAccess)) expect(text).toContain(`\`${route.replace(/:(\w+)/g, '{$1}')}\``)
  })

  it.each(['QUEUE_UNREACHABLE', 'STORE_BUSY', 'WEIGHTS_UNAVAILABLE', 'ETIMEDOUT'])('%s is 503: it may work later', async code => {
    fixture.runs.failure = new LayermillError(receivedCode(code), 'not now')
    expect((await ask('/v1/runs')).body).toMatchObject({ status: 503, code: 'UNAVAILABLE', detail: 'not now' })
  })

  it('an answer that is not as documented is an internal error, not a leak', async () => {
    fixture.fleet.workerList = [{ id: 1 } as never]
    expect(await ask('/v1/workers')).toMatchObject({ status: 500, body: { code: 'INTERNAL' } })
  })
})

describe('workers, queues, health', () => {
  it('shows workers and queues', async () => {
    const worker = {
      id: 'w1',
      host: 'gpu-1',
      state: 'busy' as const,
      device: 'cuda',
      engine: 'onnx',
      version: '0.1.0',
      started: '2026-01-01T00:00:00Z',
      seen: '2026-01-01T00:01:00Z',
      jobs: [{ run: 'run-1', part: 3, done: 100, images: 512 }],
      imagesPerSecond: 250.5,
    }
    const queue = { queue: 'parts', waiting: 5, prioritized: 1, delayed: 4, due: 2, active: 3, failed: 0 }
    fixture.fleet.workerList = [worker]
    fixture.fleet.queueList = [queue]
    expect((await ask('/v1/workers')).body).toEqual({ workers: [worker] })
    expect((await ask('/v1/queues')).body).toEqual({ queues: [queue] })
  })

  it('is alive without a token, and ready only when everything is there', async () => {
    const plain = async (path: string) => {
      const response = await fetch(`${fixture.url}${path}`)
      return { status: response.status, body: await response.json() }
    }
    expect(await plain('/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await plain('/readyz')).toEqual({ status: 200, body: { ready: true, checks: [{ name: 'queue', ok: true }] } })
    fixture.fleet.checks = [
      { name: 'queue', ok: true },
      { name: 'store', ok: false, detail: 's3://key:hunter2@bucket is away' },
    ]
    expect(await plain('/readyz')).toEqual({
      status: 503,
      body: {
        ready: false,
        checks: [
          { name: 'queue', ok: true },
          { name: 'store', ok: false, detail: 's3://***@bucket is away' },
        ],
      },
    })
    fixture.fleet.failure = new Error('no answer')
    expect(await plain('/readyz')).toMatchObject({ status: 503, body: { ready: false } })
    expect(await plain('/healthz')).toMatchObject({ status: 200 })
  })

  it('answers HEAD as GET', async () => {
    const response = await fetch(`${fixture.url}/v1/runs`, { method: 'HEAD', headers: bearer('read') })
    expect(response.status).toBe(200)
  })
})

describe('metrics', () => {
  const scrape = async (): Promise<string> => {
    const response = await fetch(`${fixture.url}/metrics`, { headers: bearer('read') })
    expect(response.headers.get('content-type')).toContain('text/plain')
    return response.text()
  }

  it('has every metric of the table, and the backlog that autoscaling needs', async () => {
    await post('/v1/runs', spec)
    fixture.fleet.queueList = [{ queue: 'parts', waiting: 10, prioritized: 3, delayed: 7, due: 2, active: 4, failed: 1 }]
    fixture.fleet.workerList = ['a', 'b'].map(id => ({
      id,
      host: 'h',
      state: 'idle',
      device: 'cpu',
      engine: 'onnx',
      version: '1',
      started: 'x',
      seen: 'x',
      jobs: [],
      imagesPerSecond: 1.5,
    }))
    for (const source of ['s3://photos/2027/', 's3://photos/2028/']) {
      const { body } = await post<RunSummary>('/v1/runs', { ...spec, source })
      fixture.runs.setState(body.id, 'running', { images: 100, done: 60, failed: 4, parts: 1 })
    }
    const text = await scrape()
    const found = new Set([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`))
    for (const [name, { type }] of Object.entries(orchestratorMetrics)) expect(found).toContain(`${name} ${type}`)
    expect(text).toContain('layermill_queue_backlog_jobs{queue="parts"} 19\n')
    expect(text).toContain('layermill_queue_jobs{queue="parts",state="due"} 2\n')
    expect(text).toContain('layermill_runs{state="planning"} 1\n')
    expect(text).toContain('layermill_workers{device="cpu",state="idle"} 2\n')
    expect(text).toContain('layermill_workers_images_per_second{device="cpu"} 3\n')
    expect(text).toContain('layermill_running_images{result="done"} 120\n')
    expect(text).toContain('layermill_running_images{result="failed"} 8\n')
    expect(text).toContain('layermill_running_images{result="pending"} 72\n')
    expect(text).toMatch(/layermill_http_request_duration_seconds_count\{method="POST",route="\/v1\/runs",status="202"\} 3\n/)
  })

  it('forgets what is gone, and answers while the queue is away', async () => {
    fixture.fleet.queueList = [{ queue: 'parts', waiting: 1, prioritized: 0, delayed: 0, due: 0, active: 0, failed: 0 }]
    expect(await scrape()).toContain('layermill_queue_backlog_jobs{queue="parts"} 1\n')
    fixture.fleet.failure = new Error('away')
    const text = await scrape()
    expect(text).not.toContain('layermill_queue_backlog_jobs{')
    expect(text).toContain('layermill_collect_failures_total{source="queues"} 1\n')
    expect(text).toContain('layermill_build_info{')
  })
})

describe('headers', () => {
  it('are strict on every answer, and let the page of /docs load its own files only', async () => {
    for (const path of ['/healthz', '/v1/runs', '/nothing']) {
      const response = await fetch(`${fixture.url}${path}`)
      await response.text()
      const { headers } = response
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('server')).toBeNull()
      expect(headers.get('x-powered-by')).toBeNull()
    }
    const page = await fetch(`${fixture.url}/docs`)
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';")
    const html = await page.text()
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '')
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) {
      const response = await fetch(new URL(file, fixture.url))
      expect(response.status).toBe(200)
      await response.arrayBuffer()
    }
    expect(html).not.toMatch(/<script(?![^>]*src=)/)
  })
})

describe('OpenAPI', () => {
  let document: Record<string, unknown>
  let own: Fixture
  beforeAll(async () => {
    own = await startServer()
    document = (await (await fetch(`${own.url}/openapi.json`)).json()) as Record<string, unknown>
  })
  afterAll(() => own.close())

  it('is a valid 3.1 document', async () => {
    expect(document['openapi']).toBe('3.1.0')
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
  })

  it('describes every route of the table', () => {
    const paths = document['paths'] as Record<string, Record<string, { operationId?: string; responses: Record<string, unknown> }>>
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    )
    // Routes that are no API: the document itself, and the dashboard's files.
    const hidden = ['GET /openapi.json', 'GET /', 'GET /assets/*']
    const expected = Object.keys(routeAccess).filter(route => !hidden.includes(route))
    expect(described.filter(route => !route.startsWith('HEAD')).toSorted()).toEqual(expected.toSorted())
  })

  it('knows the texts that stand for values, and has no unused parts', () => {
    const text = JSON.stringify(document)
    const { schemas } = document['components'] as { schemas: Record<string, unknown> }
    for (const name of Object.keys(schemas)) expect(text).toContain(`"#/components/schemas/${name}"`)
    expect(JSON.stringify(schemas['RunSpecInput'])).toContain('"maxLength":4096')
  })
})

it('a request with a body that never comes is ended, not kept', async () => {
  // The head promises a body; the socket then closes. The server must go on.
  await new Promise<void>(resolve => {
    const pending = request(`${fixture.url}/v1/runs`, {
      method: 'POST',
      headers: { ...bearer('submit'), 'content-type': 'application/json', 'content-length': 100 },
    })
    pending.on('error', () => resolve())
    pending.on('close', () => resolve())
    pending.write('{"kind"', () => pending.destroy())
  })
  expect((await fetch(`${fixture.url}/healthz`)).status).toBe(200)
})
