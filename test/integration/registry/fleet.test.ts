import { join } from 'node:path'
import type { RunDetail } from '@layermill/contracts'
import { loadModel } from 'layermill'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('registry-fleet')
let fleet: Fleet
let root = ''
let url = ''
let shapes = ''
let registry = ''

beforeAll(async () => {
  root = await folder()
  shapes = join(root, 'shapes')
  registry = join(root, 'registry')
  await writeShapes(shapes, 6)
  fleet = await Fleet.start()
  url = (await fleet.serve(['--registry', registry, '--state', join(root, 'state')])).url
  await fleet.worker()
})

afterAll(() => fleet?.stop())

/** A tiny head on a tiny network, trained by the fleet and registered there. */
const training = (out: string, rate: string, ...more: string[]): string[] => [
  'finetune',
  shapes,
  '--model',
  'googlenet',
  '--weights',
  'random:1',
  '--layer',
  'conv2',
  '--size',
  '32x32',
  '--epochs',
  '1',
  '--batch-size',
  '8',
  '--validation',
  '0.3',
  '--learning-rate',
  rate,
  '--device',
  'cpu',
  '--out',
  join(root, out),
  '--register',
  'shapes',
  '--server',
  url,
  ...more,
]

async function detail(id: string): Promise<RunDetail> {
  return (await (await fetch(`${url}/v1/runs/${id}`)).json()) as RunDetail
}

it('tells whoever submitted a training what became of its model', async () => {
  const first = await fleet.command(training('first', '0.0003'))
  expect(succeeded(first).stderr).toContain('shapes@1: promoted: the first version')
  const lines = succeeded(await fleet.command(training('second', '1e-9', '--margin', '0', '--json')))
    .stdout.trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  const done = lines.at(-1)!
  const told = lines.find(({ event }) => event === 'registered')
  expect(told).toMatchObject({ name: 'shapes', version: 2, outcome: expect.stringMatching(/promoted|kept/) as string, run: done['id'] })
  expect(await detail(String(done['id']))).toMatchObject({ registered: { name: 'shapes', version: 2, reason: told!['reason'] } })
})

it('tells that features are of another version than the latest', async () => {
  const { latest } = (await (await fetch(`${url}/v1/models/shapes`)).json()) as { latest: number }
  const extraction = fleet.run([
    'extract',
    shapes,
    '--model',
    'shapes@latest',
    '--layers',
    'fc',
    '--device',
    'cpu',
    '--out',
    join(root, 'features'),
    '--server',
    url,
  ])
  const id = await untilSaid(extraction, /run (extract-\S+)/)
  succeeded(await extraction.ended)
  expect(await detail(id)).not.toHaveProperty('stale')
  const other = latest === 1 ? 2 : 1
  succeeded(await fleet.command(['models', 'promote', 'shapes', String(other), '--server', url]))
  expect(await detail(id)).toMatchObject({ stale: { name: 'shapes', version: latest, latest: other } })
  const shown = await fleet.command(['runs', 'show', id, '--queue', fleet.queue])
  expect(succeeded(shown).stdout).toContain(`made with shapes@${latest}, shapes@latest is ${other}`)
})

it('takes registered models for advice and in programs', async () => {
  const model = await loadModel('shapes@1', { registry })
  expect(model.labels.toSorted()).toEqual(['disc', 'square', 'triangle'])
  await model.dispose()
  await expect(loadModel('shapes@9', { registry })).rejects.toMatchObject({ code: 'MODEL_NOT_REGISTERED' })
  const advice = await fleet.command([
    'advise',
    shapes,
    '--model',
    'shapes@latest',
    '--registry',
    registry,
    '--layers',
    'conv1,conv2',
    '--sample',
    '12',
    '--device',
    'cpu',
    '--json',
  ])
  expect(JSON.parse(succeeded(advice).stdout)).toMatchObject({ classes: 3, layers: [{ layer: 'conv1' }, { layer: 'conv2' }] })
})

it('shows how far an int8 run agrees with float32', async () => {
  const run = fleet.run(smallRun(shapes, join(root, 'int8'), '--precision', 'int8', '--server', url))
  const id = await untilSaid(run, /run (extract-\S+)/)
  succeeded(await run.ended)
  const { calibration } = await detail(id)
  expect(calibration?.cosine['conv2']?.mean).toBeGreaterThan(0.9)
  expect(succeeded(await fleet.command(['runs', 'show', id, '--server', url])).stdout).toMatch(
    /int8 +cosine to float32 on \d+ images: conv2 0\.9/,
  )
})
