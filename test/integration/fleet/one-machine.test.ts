/** `layermill serve` alone: queue, orchestrator and worker in one process, whatever becomes of it. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliProcess, runCli, startCli } from '../../helpers/cli.js'
import { succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes, filesBelow } from '../../helpers/results.js'

const folder = testFolder('one-machine')
const images = 96
const started: CliProcess[] = []
let source = ''
let home = ''
let url = ''

const network = ['--model', 'googlenet', '--weights', 'random:1', '--layers', 'conv1,inception_4e', '--size', '64x64', '--part-size', '2']
const parts = images / 2

/** A server on this home, at the port of the one before. */
async function serve(): Promise<CliProcess> {
  const port = url === '' ? '0' : new URL(url).port
  const server = startCli(['serve', '--port', port, '--device', 'cpu'], { env: { LAYERMILL_HOME: home } })
  started.push(server)
  url = await untilSaid(server, /layermill is at (http:\S+);/)
  return server
}

const here = (args: readonly string[]) => runCli([...args, '--server', url], { env: { LAYERMILL_HOME: home } })
const committed = async (out: string): Promise<number> => (await filesBelow(join(out, 'commits'))).length

async function kill(server: CliProcess): Promise<void> {
  server.child.kill('SIGKILL')
  await server.ended
}

beforeAll(async () => {
  source = join(await folder(), 'images')
  await writeImages(source, images)
  // A home of its own for the queue, with the database that the tests' home has made already.
  home = join(await folder(), 'home')
  const made = join(tmpdir(), 'layermill-test-home', 'embedded')
  await mkdir(made, { recursive: true })
  await mkdir(home)
  await symlink(made, join(home, 'embedded'))
})

afterAll(async () => {
  for (const { child } of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await Promise.all(started.map(({ ended }) => ended))
})

it('computes what it is given, and goes on with runs and schedules after it was killed', async () => {
  const expected = join(await folder(), 'expected')
  succeeded(await runCli(['extract', source, ...network, '--out', expected]))
  const first = await serve()
  const spec = join(await folder(), 'nightly.json')
  await writeFile(
    spec,
    JSON.stringify({ kind: 'extract', source, model: 'googlenet', weights: 'random:1', out: join(await folder(), '{date}') }),
  )
  succeeded(await here(['schedule', 'add', 'nightly', '--cron', '0 3 1 1 *', '-f', spec]))

  const out = join(await folder(), 'out')
  const submitted = startCli(['extract', source, ...network, '--out', out, '--server', url])
  started.push(submitted)
  const id = await untilSaid(submitted, /run (extract-\S+)/)
  await expect.poll(() => committed(out), { interval: 20 }).toBeGreaterThan(0)
  await kill(first)
  expect(await committed(out)).toBeLessThan(parts)

  const second = await serve()
  // The command that followed the run has waited for the server to come back.
  expect(await submitted.ended).toMatchObject({ code: 0, stdout: expect.stringContaining(`${images} images`) })
  expect(await fileHashes(out)).toEqual(await fileHashes(expected))
  const listed = succeeded(await here(['runs', 'list', '--json'])).stdout
  expect(JSON.parse(listed)).toMatchObject({ id, state: 'done', counts: { done: images } })
  expect(JSON.parse(succeeded(await here(['schedule', 'list', '--json'])).stdout)).toMatchObject({ name: 'nightly', paused: false })

  // The folder is one process's; the other says so and ends.
  const other = await runCli(['serve', '--port', '0'], { env: { LAYERMILL_HOME: home } })
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('[QUEUE_LOCKED]') })
  second.child.kill('SIGTERM')
  expect(await second.ended).toMatchObject({ code: 0 })
})
