import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliResult, runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes, readRun } from '../../helpers/results.js'

const folder = testFolder('fleet-runs')
const images = 80
let fleet: Fleet
let source: string
let expected: Record<string, string>

const small = (out: string): string[] => smallRun(source, out, '--part-size', '8')

beforeAll(async () => {
  fleet = await Fleet.start()
  source = join(await folder(), 'images')
  await writeImages(source, images)
  const alone = join(await folder(), 'alone')
  succeeded(await runCli(small(alone)))
  expected = await fileHashes(alone)
})

afterAll(() => fleet?.stop())

async function runs(...args: string[]): Promise<CliResult> {
  return fleet.command(['runs', ...args, '--queue', fleet.queue])
}

interface RunJson {
  readonly id: string
  readonly state: string
  readonly counts: { readonly done: number; readonly images: number }
  readonly out: string
}

async function list(): Promise<RunJson[]> {
  const { stdout } = await runs('list', '--json')
  return stdout
    .trim()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as RunJson)
}

const show = async (id: string): Promise<RunJson> => JSON.parse((await runs('show', id, '--json')).stdout) as RunJson

it('leaves a run queued at Ctrl-C, refuses another for its place, shows, cancels and resumes it', async () => {
  const out = join(await folder(), 'steered')
  const command = [...small(out), '--queue', fleet.queue]
  const submitted = fleet.run(command)
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  await expect.poll(async () => (await show(id)).state).toBe('running')
  submitted.child.kill('SIGINT')
  const left = await submitted.ended
  expect(left).toMatchObject({ code: 130, stderr: expect.stringContaining(`layermill runs watch ${id} --queue redis://127.0.0.1`) })

  expect(await list()).toMatchObject([{ id, state: 'running', out }])
  const other = await fleet.command([
    'extract',
    source,
    '--model',
    'googlenet',
    '--weights',
    'random:1',
    '--layers',
    'conv1',
    '--size',
    '32x32',
    '--out',
    out,
    '--queue',
    fleet.queue,
  ])
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CONFLICT]') })

  expect(await runs('cancel', id)).toMatchObject({ code: 0, stdout: expect.stringContaining('is cancelled') })
  expect(await show(id)).toMatchObject({ state: 'cancelled' })
  expect(await readRun(out)).toMatchObject({ state: 'cancelled' })
  expect(await fleet.command(['runs', 'watch', id, '--queue', fleet.queue])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[RUN_CANCELLED]'),
  })

  const worker = await fleet.worker()
  const resumed = await runs('resume', id)
  expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining('80/80 images') })
  expect(await fileHashes(out)).toEqual(expected)
  expect(await runs('resume', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_FINISHED]') })
  expect(await runs('cancel', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_FINISHED]') })
  expect(await runs('show', 'extract-20000101-00000000')).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_UNKNOWN]') })

  // The same command again finds it done.
  expect(await fleet.command(command)).toMatchObject({ code: 0, stdout: expect.stringContaining('80 images') })
  worker.child.kill('SIGTERM')
  await worker.ended
})

it('goes on with a run whose orchestrator was killed, planned by one at a time', async () => {
  const out = join(await folder(), 'taken-over')
  const first = await fleet.serve(['--lock-duration', '2'])
  const submitted = fleet.run([...small(out), '--server', first.url])
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  await untilSaid(first.process, new RegExp(`run ${id}: planning`))
  const second = await fleet.serve(['--lock-duration', '2'])
  const watching = fleet.run(['runs', 'watch', id, '--server', second.url])
  await expect.poll(async () => (await readRun(out)).state).toBe('running')
  expect(second.process.output()).not.toContain(`run ${id}`)
  first.process.child.kill('SIGKILL')
  await untilSaid(second.process, new RegExp(`run ${id}: running`))
  const worker = await fleet.worker()
  expect(await watching.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('80/80 images') })
  expect(await fileHashes(out)).toEqual(expected)
  for (const { child } of [second.process, worker, submitted]) child.kill('SIGTERM')
  await Promise.all([second.process.ended, worker.ended, submitted.ended])
  expect(second.process.output()).toContain('stopping')
})

it('cancels a run that is being carried out', async () => {
  const out = join(await folder(), 'cancelled')
  const submitted = fleet.run([...small(out), '--queue', fleet.queue])
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  await expect.poll(async () => (await show(id)).state).toBe('running')
  expect(await runs('cancel', id)).toMatchObject({ code: 0 })
  expect(await submitted.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CANCELLED]') })
  expect(await readRun(out)).toMatchObject({ state: 'cancelled' })
  const redis = new Redis(fleet.queue)
  expect((await redis.llen('layermill:layermill-parts:wait')) + (await redis.zcard('layermill:layermill-parts:prioritized'))).toBe(0)
  redis.disconnect()
})

it('goes on from the store after the queue was wiped: by itself, and by hand where no orchestrator was left', async () => {
  const out = join(await folder(), 'wiped')
  const submitted = fleet.run([...small(out), '--queue', fleet.queue])
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  const state = async (): Promise<string> => (await show(id)).state
  await expect.poll(state).toBe('running')
  const redis = new Redis(fleet.queue)
  await redis.flushall()
  // Its orchestrator, which lives, queues it again.
  await expect.poll(async () => (await runs('show', id, '--json')).code).toBe(0)
  await expect.poll(state).toBe('running')

  submitted.child.kill('SIGINT')
  expect(await submitted.ended).toMatchObject({ code: 130 })
  await redis.flushall()
  redis.disconnect()
  expect(await runs('watch', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_UNKNOWN]') })
  const worker = await fleet.worker()
  const resumed = await runs('resume', out)
  expect(resumed).toMatchObject({ code: 0, stderr: expect.stringContaining(`run ${id}`) })
  expect(await fileHashes(out)).toEqual(expected)
  worker.child.kill('SIGTERM')
  await worker.ended
})

it('hands back at SIGTERM what a worker does not finish in time', async () => {
  const out = join(await folder(), 'drained')
  const first = await fleet.worker(['--concurrency', '1', '--drain-deadline', '1', '--health-port', '0'])
  const health = await untilSaid(first, /health at (http:\S+)/)
  const big = ['--model', 'googlenet', '--weights', 'random:1', '--size', '224x224', '--layers', 'loss3_fc', '--part-size', '500']
  const submitted = fleet.run(['extract', source, ...big, '--batch-size', '2', '--out', out, '--queue', fleet.queue])
  await untilSaid(submitted, /run (extract-\S+)/)
  await expect.poll(async () => (await fetch(`${health}/metrics`)).text()).toMatch(/layermill_worker_jobs_active 1/)
  first.child.kill('SIGTERM')
  expect(await first.ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/handed back 1 unfinished part/) })
  // It waits for the next worker; a job that was left would stay active until its lock of 60 s ends.
  const redis = new Redis(fleet.queue)
  expect(await redis.llen('layermill:layermill-parts:active')).toBe(0)
  redis.disconnect()
  const second = await fleet.worker(['--concurrency', '1', '--health-port', '0'])
  const health2 = await untilSaid(second, /health at (http:\S+)/)
  await expect.poll(async () => (await fetch(`${health2}/metrics`)).text()).toMatch(/layermill_worker_jobs_active 1/)
  expect(await submitted.ended).toMatchObject({ code: 0 })
  second.child.kill('SIGTERM')
  await second.ended
})
