import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.mjs'
import { type CliProcess, runCli, smallRun, startCli } from '../../helpers/cli.js'
import { succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes } from '../../helpers/results.js'

const folder = testFolder('fleet-postgres')
const processes: CliProcess[] = []
// A server of its own: other tests' workers would take this run's parts.
let postgres: PostgresService

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  for (const { child } of processes) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  await postgres?.stop()
})

function start(...args: string[]): CliProcess {
  const process = startCli(args)
  processes.push(process)
  return process
}

it('serve, two workers, a run and a schedule on PostgreSQL: the bytes of an embedded run, told live, and all end at SIGTERM', async () => {
  const photos = join(await folder(), 'photos')
  await writeImages(photos, 40)
  const [here, there] = [join(await folder(), 'here'), join(await folder(), 'there')]
  succeeded(await runCli(smallRun(photos, here, '--part-size', '8')))

  const server = start('serve', '--queue', postgres.url, '--port', '0', '--state', join(await folder(), 'state'))
  const url = await untilSaid(server, /"url":"(http:[^"]+)"/)
  await untilSaid(server, /"msg":"serving"/)
  const workers = [1, 2].map(() => start('worker', '--queue', postgres.url, '--device', 'cpu'))
  for (const worker of workers) await untilSaid(worker, /worker \S+: onnx on cpu/)
  succeeded(await runCli([...smallRun(photos, there, '--part-size', '8'), '--server', url]))
  expect(await fileHashes(there)).toEqual(await fileHashes(here))

  await expect
    .poll(
      async () =>
        ((await (await fetch(`${url}/v1/workers`)).json()) as { workers: { device: string }[] }).workers.map(({ device }) => device),
      { timeout: 240_000 },
    )
    .toEqual(['cpu', 'cpu'])
  // A run ends with its files; what the queue notes of its jobs may follow.
  const active = async (): Promise<number[]> =>
    ((await (await fetch(`${url}/v1/queues`)).json()) as { queues: { active: number }[] }).queues
      .map(queue => queue.active)
      .filter(count => count > 0)
  await expect.poll(active).toEqual([])

  const completed = (query: string): Promise<unknown> =>
    fetch(`${url}/v1/queues/layermill-parts/jobs?state=completed&${query}`).then(response => response.json())
  const page = (await completed('limit=3')) as { jobs: { id: string }[] }
  expect(page).toMatchObject({ next: 3, counts: { completed: 5, failed: 0 }, jobs: [{ attempts: 1, data: { generation: 0 } }, {}, {}] })
  expect((await fetch(`${url}/v1/queues/layermill-parts/jobs/${page.jobs[0]?.id ?? ''}`, { method: 'DELETE' })).status).toBe(204)
  expect(await completed('offset=3')).toMatchObject({ counts: { completed: 4 }, jobs: [{}] })

  // A schedule's tick becomes a run, and where nothing changed since, no run.
  const spec = {
    kind: 'extract',
    source: photos,
    model: 'googlenet',
    weights: 'random:1',
    layers: 'conv2',
    size: '32x32',
    device: 'cpu',
    out: join(await folder(), 'scheduled'),
  }
  const ask = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(
      `${url}/v1/schedules${path}`,
      body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
    )
  expect((await ask('POST', '', { name: 'often', cron: '* * * * * *', spec })).status).toBe(201)
  const run = await untilSaid(server, /schedule often: tick \S+ is run (extract-\S+?)"/)
  await untilSaid(server, /schedule often: tick \S+ skipped: unchanged/)
  expect((await ask('DELETE', '/often')).status).toBe(204)
  await expect
    .poll(async () => (await fetch(`${url}/v1/runs/${run}`)).json())
    .toMatchObject({ state: 'done', counts: { images: 40, done: 40 } })

  for (const { child } of processes) child.kill('SIGTERM')
  expect(await Promise.all(processes.map(async ({ ended }) => (await ended).code))).toEqual([0, 0, 0])
})
