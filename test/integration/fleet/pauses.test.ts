import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.mjs'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'
import { type CliProcess, runCli, smallRun, startCli } from '../../helpers/cli.js'
import { succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes } from '../../helpers/results.js'
import { namesIn } from '../../helpers/watch.js'

const folder = testFolder('fleet-pauses')
const processes: CliProcess[] = []
const images = 12
let redis: RedisService
let postgres: PostgresService
let photos: string
let undisturbed: string

beforeAll(async () => {
  ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  photos = join(await folder(), 'photos')
  await writeImages(photos, images)
  undisturbed = join(await folder(), 'undisturbed')
  succeeded(await runCli(smallRun(photos, undisturbed, '--part-size', '2')))
})

afterAll(async () => {
  for (const { child } of processes) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  await Promise.all([redis?.stop(), postgres?.stop()])
})

function start(...args: string[]): CliProcess {
  const process = startCli(args)
  processes.push(process)
  return process
}

async function json<T>(url: string, init: RequestInit = {}): Promise<T> {
  return (await fetch(url, init)).json() as Promise<T>
}

interface Run {
  id: string
  state: string
  waiting?: { code: string }
  spec?: { classWeights?: object }
  error?: { code: string }
}

const post = <T>(url: string, body?: object): Promise<T> =>
  json(url, {
    method: 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })

const spec = (out: string): object => ({
  kind: 'extract',
  source: photos,
  out,
  model: 'googlenet',
  weights: 'random:1',
  layers: ['conv2'],
  size: '32x32',
  partSize: 2,
  device: 'cpu',
})

/** Numbers of a queue's jobs that wait. */
async function waiting(url: string): Promise<number> {
  const { queues } = await json<{ queues: { queue: string; waiting: number; prioritized: number }[] }>(`${url}/v1/queues`)
  const parts = queues.find(({ queue }) => queue === 'layermill-parts')!
  return parts.waiting + parts.prioritized
}

async function serving(queue: string): Promise<string> {
  const server = start('serve', '--queue', queue, '--port', '0', '--state', join(await folder(), `state-${processes.length}`))
  const url = await untilSaid(server, /"url":"(http:[^"]+)"/)
  await untilSaid(server, /"msg":"serving"/)
  return url
}

describe.each(['Redis', 'PostgreSQL'])('on %s', kind => {
  it('a run and the fleet are paused and go on, and results are the same bytes', async () => {
    const queue = kind === 'Redis' ? redis.url : postgres.url
    const url = await serving(queue)
    const out = join(await folder(), `paused-${kind}`)
    const { id } = await post<Run>(`${url}/v1/runs`, spec(out))
    await expect.poll(() => waiting(url)).toBe(images / 2)
    // The last part reaches the queue before the record says that planning has ended.
    await expect.poll(() => json<Run>(`${url}/v1/runs/${id}`)).toMatchObject({ state: 'running' })

    // Nobody works yet. A paused run leaves nothing for workers to take.
    expect(succeeded(await runCli(['runs', 'pause', id, '--queue', queue])).stdout).toContain('is paused')
    await expect.poll(() => waiting(url)).toBe(0)
    await expect.poll(() => json<Run>(`${url}/v1/runs/${id}`)).toMatchObject({ state: 'running', waiting: { code: 'paused' } })
    expect(await post<Run>(`${url}/v1/runs/${id}/pause`)).toMatchObject({ waiting: { code: 'paused' } })

    expect(succeeded(await runCli(['fleet', 'pause', '--server', url])).stdout).toContain('workers are paused')
    const worker = start('worker', '--queue', queue, '--device', 'cpu')
    await untilSaid(worker, /worker \S+: onnx on cpu/)
    expect(await post<Run>(`${url}/v1/runs/${id}/resume`)).toMatchObject({ id })
    await expect.poll(() => waiting(url)).toBe(images / 2)
    expect(await json(`${url}/v1/fleet`)).toEqual({ paused: true })
    expect(await namesIn(join(out, 'commits'))).toEqual([])
    expect(succeeded(await runCli(['fleet', 'resume', '--queue', queue, '--json'])).stdout.trim()).toBe('{"paused":false}')
    await expect.poll(() => json<Run>(`${url}/v1/runs/${id}`)).toMatchObject({ state: 'done' })
    expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
    expect(await post(`${url}/v1/runs/${id}/pause`)).toMatchObject({ code: 'RUN_FINISHED', status: 409 })

    // A paused run can be cancelled.
    worker.child.kill('SIGTERM')
    await worker.ended
    const cancelled = await post<Run>(`${url}/v1/runs`, spec(`${out}-cancelled`))
    await expect.poll(() => waiting(url)).toBe(images / 2)
    await post(`${url}/v1/runs/${cancelled.id}/pause`)
    await expect.poll(() => waiting(url)).toBe(0)
    await post(`${url}/v1/runs/${cancelled.id}/cancel`)
    await expect.poll(() => json<Run>(`${url}/v1/runs/${cancelled.id}`)).toMatchObject({ state: 'cancelled' })

    // Large specs go over HTTP and the queue alike.
    const classWeights = Object.fromEntries(
      Array.from({ length: 600 }, (_, i) => [`a class with a rather long name, number ${i}`, 1 + i / 600]),
    )
    const large = {
      kind: 'finetune',
      source: photos,
      out: `${out}-large`,
      model: 'googlenet',
      weights: 'random:1',
      classWeights,
      device: 'cpu',
    }
    const submitted = await post<Run>(`${url}/v1/runs`, large)
    expect(submitted).toMatchObject({ kind: 'finetune', state: 'planning' })
    expect(Object.keys((await json<Run>(`${url}/v1/runs/${submitted.id}`)).spec?.classWeights ?? {})).toHaveLength(600)
    // No image has a label here: it fails for that, having read its spec.
    await expect.poll(() => json<Run>(`${url}/v1/runs/${submitted.id}`)).toMatchObject({ state: 'failed' })
    expect((await json<Run>(`${url}/v1/runs/${submitted.id}`)).error?.code).toMatch(/^(LABEL|CLASS)_/)
  })
})

it('a run lost with the data of the queue goes on by itself', async () => {
  await redis.command('flushall')
  const url = await serving(redis.url)
  const out = join(await folder(), 'lost')
  const { id } = await post<Run>(`${url}/v1/runs`, spec(out))
  await expect.poll(() => waiting(url)).toBe(images / 2)
  const following = start('runs', 'watch', id, '--server', url)
  // It watches before the queue is lost.
  await expect.poll(async () => (await fetch(`${url}/metrics`)).text()).toMatch(/^layermill_http_event_streams 1$/m)
  await redis.command('flushall')
  const worker = start('worker', '--queue', redis.url, '--device', 'cpu')
  await untilSaid(worker, /worker \S+: onnx on cpu/)
  await expect.poll(() => namesIn(out)).toContain('_SUCCESS')
  // Notes of the way are cleared away behind it.
  const wanted = await fileHashes(undisturbed)
  await expect.poll(() => fileHashes(out).catch(() => undefined)).toEqual(wanted)
  const watched = await following.ended
  expect(watched.code, watched.stderr).toBe(0)
  await expect.poll(() => json<Run>(`${url}/v1/runs/${id}`)).toMatchObject({ state: 'done' })
})
