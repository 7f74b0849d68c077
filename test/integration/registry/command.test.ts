import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Evaluation } from '@layermill/contracts'
import { ModelRegistry } from '@layermill/orchestrator/registry'
import { openStore } from '@layermill/storage'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CliResult, runCli, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { filesBelow, readRun } from '../../helpers/results.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('registry')
let root = ''
let shapes = ''
let registry = ''

const run = (...args: string[]): Promise<CliResult> => runCli(args, { env: { LAYERMILL_REGISTRY: registry } })

async function ok(...args: string[]): Promise<CliResult> {
  const result = await run(...args)
  expect(result.code, result.stderr).toBe(0)
  return result
}

/** A tiny head on a tiny network: `rate` tells one training from another. */
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
  '2',
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
  ...more,
]

const models = (): ModelRegistry => new ModelRegistry(openStore(registry))
const read = async (path: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(registry, 'models/shapes', path), 'utf8')) as Record<string, unknown>

beforeAll(async () => {
  root = await folder()
  shapes = join(root, 'shapes')
  registry = join(root, 'registry')
  await writeShapes(shapes, 10)
})

describe('layermill finetune --register', () => {
  it('makes the first version the latest at once', async () => {
    const { stdout, stderr } = await ok(...training('first', '0.0003', '--register', 'shapes'))
    expect(stderr).toContain('shapes@1: promoted: the first version')
    // It learned little, and the report shows what its mistakes look at.
    expect(await readFile(join(root, 'first', 'report.html'), 'utf8')).toMatch(/Below (it|the \d+ worst): .*\(Grad-CAM at \w+\)/)
    expect(JSON.parse((await ok('models', 'list', '--json')).stdout)).toMatchObject([{ name: 'shapes', latest: 1, versions: 1 }])
    const [, heldOut] = /held out accuracy ([\d.]+%)/.exec(`${stdout}${stderr}`) ?? []
    expect((await ok('models', 'versions', 'shapes')).stdout).toMatch(new RegExp(`1 \\(latest\\) +${heldOut} `))
    expect(await filesBelow(join(registry, 'models/shapes/versions/1'))).toEqual(
      expect.arrayContaining(['evaluation.json', 'model.json', 'model.onnx', 'model.safetensors', 'version.json']),
    )
  })

  it('gives the run no second version when the command is repeated', async () => {
    await ok(...training('first', '0.0003', '--register', 'shapes'))
    expect(await models().get('shapes')).toMatchObject({ history: [{ sequence: 1, event: 'promoted', version: 1 }] })
  })

  it('holds the next one against it on the same images, whatever was killed on the way', async () => {
    const args = training('second', '0.0004', '--register', 'shapes', '--margin', '1')
    const first = startCli(args, { env: { LAYERMILL_REGISTRY: registry } })
    const watch = setInterval(
      () =>
        void filesBelow(join(registry, 'models/shapes/versions')).then(
          files => {
            if (files.some(file => file.startsWith('2/evaluation/'))) first.child.kill('SIGKILL')
          },
          () => undefined,
        ),
      5,
    )
    await first.ended
    clearInterval(watch)
    await ok(...args)
    expect(await models().list()).toMatchObject([{ latest: 2, versions: 2 }])
    const evaluation = await read('versions/2/evaluation.json')
    const lines = (await readFile(join(registry, 'models/shapes/versions/2/held-out.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, string>)
    const right = (who: string): number => lines.filter(line => line[who] === line['label']).length
    expect(evaluation).toMatchObject({
      promoted: true,
      margin: 1,
      heldOut: { images: lines.length, compared: lines.length },
      champion: { version: 1, correct: right('champion') },
      challenger: { version: 2, correct: right('challenger') },
      bootstrap: { resamples: 10_000 },
    })
    const { metrics } = (await read('versions/2/model.json')) as { metrics: { validation: { accuracy: number } } }
    expect(right('challenger') / lines.length).toBeCloseTo(metrics.validation.accuracy, 10)
    expect(await filesBelow(join(registry, 'models/shapes/versions/2'))).not.toContainEqual(expect.stringMatching(/^evaluation\//))
  })

  it('keeps the champion where a challenger may be worse', async () => {
    const { stderr } = await ok(...training('third', '1e-9', '--register', 'shapes', '--margin', '0'))
    expect(stderr).toMatch(/shapes@3: not promoted: accuracy .*not within the margin of 0\.0%/)
    expect(await models().list()).toMatchObject([{ latest: 2, versions: 3 }])
  })

  it('refuses held-out images that are trained on, unless it is told to compare on them', async () => {
    const args = ['--register', 'shapes', '--margin', '0', '--held-out', shapes, '--epochs', '1']
    const { stderr } = await ok(...training('leaking', '1e-9', ...args))
    expect(stderr).toMatch(/shapes@4: not promoted: 21 of 30 held-out images are trained on too, byte for byte \(disc\/0/)
    const evaluation = (await read('versions/4/evaluation.json')) as { leaks: { keys: string[] } }
    expect(evaluation).toMatchObject({ promoted: false, heldOut: { images: 30, compared: 0 }, leaks: { images: 21 } })
    expect(evaluation.leaks.keys).toHaveLength(20)
    await ok(...training('allowed', '1e-9', ...args, '--allow-leaks', '--sampling', 'balanced'))
    expect(JSON.parse(await readFile(join(root, 'allowed/training.json'), 'utf8'))).toMatchObject({ sampling: 'balanced' })
    expect(await read('versions/5/evaluation.json')).toMatchObject({ heldOut: { images: 30, compared: 30 }, challenger: { version: 5 } })
  })

  it('refuses nearly the same images of another source too, also for a first version, and names both', async () => {
    const [originals, copies] = [join(root, 'originals'), join(root, 'copies')]
    await writeShapes(originals, 16)
    for (const file of await filesBelow(originals)) {
      const jpeg = await sharp(join(originals, file)).jpeg({ quality: 80 }).toBuffer()
      await mkdir(dirname(join(copies, file)), { recursive: true })
      await writeFile(join(copies, file.replace('.png', '.jpg')), jpeg)
    }
    const [command, , ...more] = training('copied', '1e-9', '--register', 'copies', '--held-out', copies, '--epochs', '1')
    const { stderr } = await ok(command!, originals, ...more)
    expect(stderr).toMatch(
      /copies@1: not promoted: \d+ of 48 held-out images are nearly images that are trained on, by features \(\w+\/\d+\.jpg is \w+\/\d+\.png\)/,
    )
    const evaluation = JSON.parse(await readFile(join(registry, 'models/copies/versions/1/evaluation.json'), 'utf8')) as Evaluation
    const { images, keys, training: trained } = evaluation.leaks!
    expect(images).toBeGreaterThan(20)
    const right = keys.filter((key, i) => key.replace('.jpg', '.png') === trained![i])
    expect(right.length).toBeGreaterThan(0.9 * keys.length)
    expect(await filesBelow(join(root, 'copied'))).not.toContainEqual(expect.stringMatching(/leaks-/))
    // A person may know better.
    await ok('models', 'promote', 'copies', '1')
    expect(await models().get('copies')).toMatchObject({ latest: 1 })
  })

  it('refuses what it cannot do, before anything is trained', async () => {
    const none = await runCli(training('none', '0.1', '--register', 'shapes'), { env: { LAYERMILL_REGISTRY: '' } })
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('REGISTRY_MISSING')])
    const held = await run(...training('none', '0.1', '--register', 'shapes', '--validation', '0'))
    expect([held.code, held.stderr]).toEqual([2, expect.stringContaining('compared on held-out images')])
    const name = await run(...training('none', '0.1', '--register', 'Sha/pes'))
    expect([name.code, name.stderr]).toEqual([2, expect.stringContaining('register')])
  })
})

describe('--model NAME@latest', () => {
  const extraction = (model: string, ...more: string[]): string[] => [
    'extract',
    shapes,
    '--model',
    model,
    '--layers',
    'fc',
    '--device',
    'cpu',
    '--out',
    join(root, 'features'),
    ...more,
  ]
  let weights = ''

  it('is a fixed version from the start, which the registry notes', async () => {
    await ok(...extraction('shapes@latest'))
    const record = await readRun(join(root, 'features'))
    expect(record.spec).toMatchObject({ model: `file://${join(registry, 'models/shapes/versions/2')}` })
    weights = (await read('versions/2/version.json'))['sha256'] as string
    expect(record).toMatchObject({ identity: { weights } })
    expect(await models().get('shapes')).toMatchObject({ uses: [{ out: `file://${join(root, 'features')}`, version: 2, stale: false }] })
    await ok('predict', join(shapes, 'disc/0000.png'), '--model', 'shapes@1', '--device', 'cpu')
    const missing = await run('predict', join(shapes, 'disc/0000.png'), '--model', 'shapes@9', '--device', 'cpu')
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('MODEL_NOT_REGISTERED')])
  })

  it('goes back with one command, which tells what is stale by that', async () => {
    const { stdout } = await ok('models', 'rollback', 'shapes', '--reason', 'takes discs for squares')
    expect(stdout).toContain('shapes@latest is version 1, was 2')
    expect(stdout).toContain(`${join(root, 'features')} (version 2)`)
    expect(stdout).toContain('--update --model shapes@latest')
    expect(await models().get('shapes')).toMatchObject({
      history: [
        { event: 'rolled-back', version: 1, previous: 2, reason: 'takes discs for squares', stale: [`file://${join(root, 'features')}`] },
        ...Array.from({ length: 5 }, () => ({})),
      ],
    })
    const again = await run('models', 'rollback', 'shapes')
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('ROLLBACK_IMPOSSIBLE')])
  })

  it('computes everything anew with the version that is the latest now, where an update is asked for', async () => {
    const refused = await run(...extraction('shapes@latest'))
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('RUN_CONFLICT')])
    await ok(...extraction('shapes@latest', '--update'))
    const record = await readRun(join(root, 'features'))
    expect(record).toMatchObject({ identity: { weights: (await read('versions/1/version.json'))['sha256'] } })
    expect(record).toMatchObject({ state: 'done', counts: { images: 30, done: 30 } })
    expect(record).not.toHaveProperty('replacing')
    const fresh = join(root, 'fresh')
    await ok('extract', shapes, '--model', 'shapes@1', '--layers', 'fc', '--device', 'cpu', '--out', fresh)
    const features = async (out: string): Promise<Buffer> => {
      const [file, ...others] = await filesBelow(join(out, 'features/fc'))
      expect(others).toEqual([])
      return readFile(join(out, 'features/fc', file!))
    }
    expect((await features(join(root, 'features'))).equals(await features(fresh))).toBe(true)
    expect(await models().get('shapes')).toMatchObject({ uses: [{ stale: false }, { stale: false }] })
  })

  it('is promoted by hand as well', async () => {
    expect((await ok('models', 'promote', 'shapes', '3', '--reason', 'we like it')).stdout).toContain('shapes@latest is version 3, was 1')
    expect((await ok('models', 'versions', 'shapes')).stdout).toMatch(/3 \(latest\)/)
    expect((await ok('models', 'history', 'shapes')).stdout).toContain('we like it')
  })
})
