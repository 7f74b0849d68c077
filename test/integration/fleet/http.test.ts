import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { queueNames } from '@layermill/contracts'
import { openBroker } from '@layermill/queue'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes } from '../../helpers/results.js'

const folder = testFolder('fleet-http')
let fleet: Fleet
let source: string
let tokens: string
const secrets: Record<string, string> = {}

beforeAll(async () => {
  fleet = await Fleet.start()
  source = join(await folder(), 'images')
  await writeImages(source, 40)
  tokens = join(await folder(), 'tokens.jsonl')
  for (const scope of ['read', 'submit', 'admin']) {
    const made = succeeded(await runCli(['tokens', 'add', scope, '--scopes', scope, '--tokens-file', tokens]))
    secrets[scope] = made.stdout.trim()
  }
})

afterAll(() => fleet?.stop())

const withToken = (scope: string): { env: Record<string, string> } => ({ env: { LAYERMILL_TOKEN: secrets[scope]! } })

it('keeps only hashes of tokens', async () => {
  const text = await readFile(tokens, 'utf8')
  for (const secret of Object.values(secrets)) expect(text).not.toContain(secret)
  expect((await runCli(['tokens', 'list', '--tokens-file', tokens])).stdout).toMatch(/read .*\n.*submit .*\n.*admin/s)
})

/** Jobs of the queue by HTTP: listed, tried again, removed; no worker is there but this one. */
async function checkJobs(url: string): Promise<void> {
  const ask = async (method: string, path: string, scope = 'admin'): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${url}/v1/queues/${path}`, { method, headers: { authorization: `Bearer ${secrets[scope]!}` } })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const broker = await openBroker(fleet.queue)
  const parts = queueNames.parts
  const held: { id: string; status: number; code: unknown }[] = []
  const worker = broker.worker<object>(
    parts,
    async ({ id = '' }) => {
      const { status, body } = await ask('DELETE', `${parts}/jobs/${id}`)
      held.push({ id, status, code: (body as { code?: unknown }).code })
      throw new Error('STORE_FULL: s3://me:hunter2@store is full')
    },
    { autorun: false },
  )
  const failed = new Promise(resolve => {
    worker.on('failed', resolve)
  })
  await broker
    .queue<object>(parts)
    .add('extract', { v: 1, run: 'extract-gone', store: '/gone', part: 3 }, { jobId: 'extract-gone_0_3', attempts: 1 })
  void worker.run()
  await failed
  await worker.close()
  await broker.close()

  const job = `${parts}/jobs/extract-gone_0_3`
  expect(held).toEqual([{ id: 'extract-gone_0_3', status: 409, code: 'JOB_ACTIVE' }])
  expect(await ask('GET', `${parts}/jobs?limit=2`)).toMatchObject({
    status: 200,
    body: {
      queue: parts,
      counts: { failed: 1, active: 0, completed: 5 },
      jobs: [
        {
          id: 'extract-gone_0_3',
          run: 'extract-gone',
          attempts: 1,
          error: { code: 'STORE_FULL', message: 's3://***@store is full' },
          data: { part: 3 },
        },
      ],
    },
  })
  expect(await ask('GET', `${parts}/jobs?state=completed&limit=3`)).toMatchObject({
    body: { jobs: [{ state: 'completed' }, {}, {}], next: 3 },
  })
  for (const [method, path] of [
    ['GET', `${parts}/jobs`],
    ['POST', `${job}/retry`],
    ['DELETE', job],
  ] as const) {
    expect(await ask(method, path, 'submit')).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
  }
  expect(await ask('POST', `${job}/retry`)).toMatchObject({ status: 200, body: { state: 'waiting', attempts: 0 } })
  expect(await ask('POST', `${job}/retry`)).toMatchObject({ status: 409, body: { code: 'JOB_NOT_FAILED' } })
  expect((await ask('DELETE', job)).status).toBe(204)
  expect(await ask('DELETE', job)).toMatchObject({ status: 404, body: { code: 'JOB_UNKNOWN' } })
  expect(await ask('GET', 'layermill-state/jobs')).toMatchObject({ status: 404, body: { code: 'QUEUE_UNKNOWN' } })
  for (const query of ['limit=101', 'limit=0', 'offset=-1', 'state=stalled', 'limit=1e1'])
    expect((await ask('GET', `${parts}/jobs?${query}`)).status, query).toBe(400)
  expect((await ask('DELETE', `${parts}/jobs/${encodeURIComponent('a:b')}`)).status).toBe(400)
}

it('submits over HTTP, watches from elsewhere, and shows workers and queues', async () => {
  const { process: server, url } = await fleet.serve(['--tokens-file', tokens, '--allow-path', await folder()])
  const worker = await fleet.worker()
  const out = join(await folder(), 'over-http')
  const alone = join(await folder(), 'alone')
  expect(await runCli(smallRun(source, alone, '--part-size', '8'))).toMatchObject({ code: 0 })
  const command = smallRun(source, out, '--part-size', '8', '--server', url)

  expect(await fleet.command(command)).toMatchObject({ code: 1, stderr: expect.stringContaining('[TOKEN_MISSING]') })
  expect(await fleet.command(command, withToken('read'))).toMatchObject({ code: 1, stderr: expect.stringContaining('[SCOPE_MISSING]') })

  const submitted = fleet.run([...command, '--json'], withToken('submit'))
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  const watched = fleet.run(['runs', 'watch', id, '--server', url], withToken('read'))
  const response = await fetch(`${url}/v1/runs/${id}/events`, { headers: { authorization: `Bearer ${secrets['read']!}` } })
  const stream = await response.text()
  expect(stream).toMatch(/event: state\ndata: .*"state":"done"/)
  expect(await submitted.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"event":"done"') })
  expect(await watched.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('40/40 images') })
  expect(await fileHashes(out)).toEqual(await fileHashes(alone))

  const get = async (path: string): Promise<unknown> =>
    (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${secrets['read']!}` } })).json()
  // As of its last heartbeat, which may have been while it computed.
  await expect.poll(() => get('/v1/workers')).toMatchObject({ workers: [{ device: 'cpu', engine: 'onnx', state: 'idle', jobs: [] }] })
  // A run ends with its files; what the queue notes of its jobs may follow.
  await expect
    .poll(() => get('/v1/queues'))
    .toMatchObject({
      queues: [{ queue: 'layermill-runs', active: 0 }, { queue: 'layermill-parts', active: 0, waiting: 0, prioritized: 0 }, {}],
    })
  expect(await get('/v1/runs')).toMatchObject({ runs: [{ id, state: 'done', counts: { images: 40, done: 40, failed: 0, parts: 5 } }] })
  expect(await get(`/v1/runs/${id}`)).toMatchObject({ id, state: 'done', layers: [{ name: 'conv2', shape: [192, 8, 8] }] })
  expect(await get('/readyz')).toEqual({ ready: true, checks: [{ name: 'queue', ok: true }] })
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${secrets['read']!}` } })).text()
  expect(metrics).toContain('layermill_runs{state="done"} 1')
  expect(metrics).toContain('layermill_workers{device="cpu",state="idle"} 1')

  worker.child.kill('SIGTERM')
  await worker.ended
  expect(await get('/v1/workers')).toEqual({ workers: [] })
  await checkJobs(url)
  server.child.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(server.output()).not.toContain(secrets['submit'])
})

it('refuses to listen to the network without tokens', async () => {
  const home = join(await folder(), 'empty-home')
  const refused = await fleet.command(['serve', '--queue', fleet.queue, '--host', '0.0.0.0'], { env: { LAYERMILL_HOME: home } })
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[TOKENS_REQUIRED]') })
})
