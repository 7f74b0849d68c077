import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
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
  for (const scope of ['read', 'submit']) {
    const made = succeeded(await runCli(['tokens', 'add', scope, '--scopes', scope, '--tokens-file', tokens]))
    secrets[scope] = made.stdout.trim()
  }
}, 120_000)

afterAll(() => fleet?.stop())

const withToken = (scope: string): { env: Record<string, string> } => ({ env: { LAYERMILL_TOKEN: secrets[scope]! } })

it('keeps only hashes of tokens', async () => {
  const text = await readFile(tokens, 'utf8')
  for (const secret of Object.values(secrets)) expect(text).not.toContain(secret)
  expect((await runCli(['tokens', 'list', '--tokens-file', tokens])).stdout).toMatch(/read .*\n.*submit/s)
})

it('submits over HTTP, watches from elsewhere, and shows workers and queues', async () => {
  const { process: server, url } = await fleet.serve(['--tokens-file', tokens, '--allow-path', await folder()])
  const worker = await fleet.worker()
  const out = join(await folder(), 'over-http')
  const alone = join(await folder(), 'alone')
  expect(await runCli(smallRun(source, alone, '--part-size', '8'))).toMatchObject({ code: 0 })
  const command = smallRun(source, out, '--part-size', '8', '--server', url)

  expect(await fleet.run(command).ended).toMatchObject({ code: 1, stderr: expect.stringContaining('[TOKEN_MISSING]') })
  expect(await fleet.run(command, withToken('read')).ended).toMatchObject({ code: 1, stderr: expect.stringContaining('[SCOPE_MISSING]') })

  const submitted = fleet.run([...command, '--json'], withToken('submit'))
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  const watched = fleet.run(['runs', 'watch', id, '--server', url], withToken('read'))
  const response = await fetch(`${url}/v1/runs/${id}/events`, { headers: { authorization: `Bearer ${secrets['read']!}` } })
  const stream = await response.text()
  expect(stream).toMatch(/event: state\ndata: .*"state":"done"/)
  expect(await submitted.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"event":"done"') })
  expect(await watched.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('40/40 images') })
  expect(await fileHashes(out)).toEqual(await fileHashes(alone))

  const get = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${secrets['read']!}` } })).json()
  // As of its last heartbeat, which may have been while it computed.
  await expect.poll(() => get('/v1/workers')).toMatchObject({ workers: [{ device: 'cpu', engine: 'onnx', state: 'idle', jobs: [] }] })
  expect(await get('/v1/queues')).toMatchObject({ queues: [{ queue: 'layermill-runs', active: 0 }, { queue: 'layermill-parts', waiting: 0 }, {}] })
  expect(await get('/v1/runs')).toMatchObject({ runs: [{ id, state: 'done', counts: { images: 40, done: 40, failed: 0, parts: 5 } }] })
  expect(await get(`/v1/runs/${id}`)).toMatchObject({ id, state: 'done', layers: [{ name: 'conv2', shape: [192, 8, 8] }] })
  expect(await get('/readyz')).toEqual({ ready: true, checks: [{ name: 'queue', ok: true }] })
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${secrets['read']!}` } })).text()
  expect(metrics).toContain('layermill_runs{state="done"} 1')
  expect(metrics).toContain('layermill_workers{device="cpu",state="idle"} 1')

  worker.child.kill('SIGTERM')
  await worker.ended
  expect(await get('/v1/workers')).toEqual({ workers: [] })
  server.child.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(server.output()).not.toContain(secrets['submit'])
})

it('refuses to listen to the network without tokens', async () => {
  const home = join(await folder(), 'empty-home')
  const refused = await fleet.run(['serve', '--queue', fleet.queue, '--host', '0.0.0.0'], { env: { LAYERMILL_HOME: home } }).ended
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[TOKENS_REQUIRED]') })
})
