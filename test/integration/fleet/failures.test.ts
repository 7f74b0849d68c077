import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallRun } from '../../helpers/cli.js'
import { Fleet } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { train } from '../train/embedded.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('fleet-failures')
let fleet: Fleet
let root: string
let source: string

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.worker(['--device', 'cpu'])
  root = await folder()
  source = join(root, 'shapes')
  await writeShapes(source, 4)
  for (const name of ['disc/bad.png', 'square/worse.png']) await writeFile(join(source, name), 'not a picture')
})

afterAll(() => fleet?.stop())

const named = (where: string): RegExp =>
  new RegExp(
    `2 images failed:\\n  disc/bad\\.png: .+  \\[IMAGE_NOT_AN_IMAGE\\]\\n  square/worse\\.png: .+\\n  \\(all reasons are in ${where}/errors/\\)`,
  )

const extract = (out: string, most: string, ...reach: string[]) => fleet.command([...smallRun(source, out, '--max-errors', most), ...reach])

it('are named by a command that a fleet carries out through a queue', async () => {
  const out = join(root, 'extracted')
  const done = await extract(out, '2', '--queue', fleet.queue)
  expect(done.code, done.stderr).toBe(3)
  expect(done.stderr).toMatch(named(out))
  const again = await extract(out, '2', '--queue', fleet.queue)
  expect(again.stderr).toContain('already done')
  const file = join(root, 'predicted.jsonl')
  const predicted = await fleet.command([
    'predict',
    source,
    '--model',
    'googlenet',
    '--weights',
    'random:1',
    '--out',
    file,
    '--max-errors',
    '2',
    '--queue',
    fleet.queue,
  ])
  expect(predicted.stderr).toMatch(named(`${file}.run`))
})

it('are named by a command that a fleet carries out through a server, also where they end the run', async () => {
  const { url } = await fleet.serve()
  const out = join(root, 'extracted there')
  const done = await extract(out, '2', '--server', url)
  expect(done.code, done.stderr).toBe(3)
  expect(done.stderr).toMatch(named(out))
  const refused = await extract(join(root, 'refused'), '1', '--server', url)
  expect(refused.code, refused.stderr).toBe(1)
  expect(refused.stderr).toMatch(
    /2 images failed, more than --max-errors 1 allows \(1 of 14\): disc\/bad\.png: .+; square\/worse\.png: .+\[TOO_MANY_ERRORS\]/,
  )
})

it('are left out of an evaluation by a fleet, which gives what one process gives', async () => {
  const model = join(root, 'model')
  await train({ source, maxErrors: 2, epochs: 1, batchSize: 6, validation: 0.3, out: model })
  const numbers = async (out: string, ...reach: string[]): Promise<unknown> => {
    const { code, stderr } = await fleet.command(['evaluate', source, '--model', model, '--out', out, '--max-errors', '2', ...reach])
    expect(code, stderr).toBe(3)
    expect(stderr).toMatch(/2 images failed:\n {2}disc\/bad\.png: /)
    return JSON.parse(await readFile(join(out, 'evaluation.json'), 'utf8'))
  }
  const here = await numbers(join(root, 'here'))
  expect(await numbers(join(root, 'there'), '--queue', fleet.queue)).toEqual(here)
  expect(here).toMatchObject({ images: 12, failed: 2 })
})

it('goes on with a finished run of fine-tuning for more epochs, under the same id', async () => {
  const out = join(root, 'trained')
  const flags = [
    '--model',
    'googlenet',
    '--weights',
    'random:1',
    '--layer',
    'conv2',
    '--size',
    '32x32',
    '--batch-size',
    '6',
    '--max-errors',
    '2',
    '--out',
    out,
  ]
  const finetune = async (epochs: string) => fleet.command(['finetune', source, ...flags, '--epochs', epochs, '--queue', fleet.queue])
  const record = async () =>
    JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as { id: string; state: string; spec: { epochs: number } }
  const first = await finetune('1')
  expect(first.code, first.stderr).toBe(3)
  expect(first.stderr).toMatch(/2 images failed:\n {2}disc\/bad\.png: /)
  expect(first.stdout).toMatch(/\d+ images to train on, \d+ held out, 3 classes/)
  const { id } = await record()
  const more = await finetune('2')
  expect(more.code, more.stderr).toBe(3)
  expect(more.stdout).toContain('2 epochs')
  expect(await record()).toMatchObject({ id, state: 'done', spec: { epochs: 2 } })
  expect((await finetune('1')).stderr).toContain('epochs was 2, is 1')
})
