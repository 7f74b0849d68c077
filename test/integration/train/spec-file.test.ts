import { readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TensorMap } from '@layermill/core'
import { loadWeights, readTensors } from '@layermill/weights'
import { runCli } from '../../helpers/cli.js'
import { startBrowser, WatchedPage } from '../../helpers/browser.js'
import { testFolder } from '../../helpers/folders.js'
import { readLines } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('train-spec-file')
/** A class whose name must be shown as it is, and one with a space. */
const hostile = `<img src=x onerror=alert(1)>&"'`
let out = ''

const spec = `
source: SOURCE
out: OUT
model: resnet50
weights: random:1
layer: res3
size: 32x32
head: [16]
dropout: 0.2
base:
  res3: 1
  res2: SCALE
  "*": 0
batchNorm: batch
augment: [flip, crop]
classWeights: { disc: 3, a square: 0.5 }
labelSmoothing: 0.2
optimizer: momentum
learningRate: 0.005
gradientClip: 5
schedule: cosine:0.1
warmupEpochs: 0.5
epochs: EPOCHS
batchSize: 12
microBatch: 6
validation: 0.3
seed: 3
keepCheckpoints: 1
device: cpu
`

async function finetune(name: string, scale: number, epochs: number, ...more: readonly string[]): Promise<string> {
  const root = await folder()
  const [file, target] = [join(root, `${name}.yaml`), join(root, name)]
  const values = { SOURCE: join(root, 'shapes'), OUT: target, SCALE: String(scale), EPOCHS: String(epochs) }
  await writeFile(
    file,
    Object.entries(values).reduce((text, [key, value]) => text.replace(key, value), spec),
  )
  const result = await runCli(['finetune', '-f', file, ...more])
  expect(result.code, result.stderr).toBe(0)
  return target
}

const tensorsOf = async (target: string): Promise<TensorMap> => (await readTensors(join(target, 'model.safetensors'))).tensors
const json = async (...path: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>

beforeAll(async () => {
  const shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 8)
  await rename(join(shapes, 'square'), join(shapes, 'a square'))
  await rename(join(shapes, 'triangle'), join(shapes, hostile))
  out = await finetune('model', 0.1, 2)
})

describe('a YAML spec', () => {
  it('is carried out field by field', async () => {
    // The classes in the order of their names.
    expect(await json(out, 'training.json')).toMatchObject({
      classes: [hostile, 'a square', 'disc'],
      classWeights: [1, 0.5, 3],
      labelSmoothing: 0.2,
      augment: ['flip', 'crop'],
      batchNorm: 'batch',
      seed: 3,
      batchSize: 12,
      microBatch: 6,
      inputSize: { height: 32, width: 32 },
    })
    expect(await json(out, 'model.json')).toMatchObject({
      network: { base: 'resnet50', head: { layer: 'res3', head: [{ units: 16, dropout: 0.2 }], classes: [hostile, 'a square', 'disc'] } },
      lineage: {
        spec: {
          base: { res3: 1, res2: 0.1, '*': 0 },
          optimizer: 'momentum',
          gradientClip: 5,
          schedule: { kind: 'cosine', floor: 0.1 },
          warmupEpochs: 0.5,
        },
      },
    })
    // Four updates, one to warm up: the rate at the end of each epoch, of half a cosine from 1 to 0.1 over the other three.
    const factor = (progress: number): number => 0.1 + 0.9 * 0.5 * (1 + Math.cos(Math.PI * progress))
    const lines = await readLines(out)
    expect(lines.map(({ step }) => step)).toEqual([2, 4])
    for (const [i, { learningRate }] of lines.entries()) expect(learningRate).toBeCloseTo(0.005 * factor(i === 0 ? 0 : 2 / 3), 10)
  })

  it('scales the rates of layers by its table', async () => {
    const [tensors, base] = [await tensorsOf(out), (await loadWeights('resnet50', 'random:1')).tensors]
    const changed = (name: string): boolean => tensors.get(name)!.data.some((value, i) => value !== base.get(name)!.data[i])
    for (const name of base.keys()) {
      if (!tensors.has(name)) continue
      // Running statistics move with the layers that learn, and with no others.
      expect(changed(name), name).toBe(/^res[23]\//.test(name))
    }
    // After one update from the same values what changed is in the ratio of the scales.
    const [tenth, half] = [
      await tensorsOf(await finetune('tenth', 0.1, 1, '--batch-size', '64')),
      await tensorsOf(await finetune('half', 0.5, 1, '--batch-size', '64')),
    ]
    const step = (of: TensorMap, name: string): number =>
      Math.hypot(
        ...of
          .get(name)!
          .data.subarray(0, 4096)
          .map((value, i) => value - base.get(name)!.data[i]!),
      )
    for (const name of ['res2/a/conv1/W', 'res2/b2/conv2/W']) expect(step(half, name) / step(tenth, name), name).toBeCloseTo(5, 2)
    expect(step(half, 'res3/a/conv1/W')).toBe(step(tenth, 'res3/a/conv1/W'))
  })
})

it('says what is wrong with a star that YAML does not read as a name', async () => {
  const file = join(await folder(), 'star.yaml')
  await writeFile(file, 'source: ./a\nout: ./b\nmodel: resnet50\nbase:\n  res5: 1\n  *: 0\n')
  const { code, stderr } = await runCli(['finetune', '-f', file])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^error: --file .*star\.yaml: [\s\S]*\[SPEC_INVALID\]\nin YAML \* stands in quotes/)
})

describe('the report', () => {
  it('is shown by a browser without anything else, on a phone and a desk, light and dark', async () => {
    const report = pathToFileURL(join(out, 'report.html')).href
    const browser = await startBrowser()
    try {
      const watched = await WatchedPage.open(browser, dirname(report))
      await watched.goto('/report.html')
      expect(await watched.page.getByRole('heading').allTextContents()).toEqual([
        expect.stringContaining('3 classes') as string,
        'Training',
        'Confusion',
        'Classes',
        'Worst mistakes',
        'Epochs',
        'Where the time went',
        'Spec and lineage',
      ])
      const classes = watched.page.getByRole('region', { name: 'Classes' })
      expect(await classes.getByRole('cell').first().textContent()).toBe(hostile)
      expect(await watched.page.locator('img').count()).toBe(await watched.page.locator('.mistakes img').count())
      expect(await watched.checkScreens('report', true)).toEqual([])
      // The CSP forbids what a name could smuggle in; nothing of it was even tried.
      expect(watched.complaints).toEqual([])
    } finally {
      await browser.close()
    }
  })
})
