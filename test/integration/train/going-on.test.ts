import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import type { TensorMap } from '@layermill/core'
import { readTensors } from '@layermill/weights'
import { train } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('train-going-on')
let root = ''
let source = ''

beforeAll(async () => {
  root = await folder()
  source = join(root, 'shapes')
  await writeShapes(source, 8)
})

const tensorsOf = async (out: string): Promise<TensorMap> => (await readTensors(join(out, 'model.safetensors'))).tensors

async function described(
  out: string,
): Promise<{ classes: string[]; network: unknown; weights: unknown; metrics: unknown; preparation: unknown }> {
  return JSON.parse(await readFile(join(out, 'model.json'), 'utf8')) as never
}

/** A row of the classifier by the name of its class. */
function rowOf(tensors: TensorMap, classes: readonly string[], name: string): number[] {
  const { data, shape } = tensors.get('fc/W')!
  const index = classes.indexOf(name)
  return [...data.subarray(index * shape[1]!, (index + 1) * shape[1]!), tensors.get('fc/b')!.data[index]!]
}

describe('more epochs of a finished run', () => {
  it.each([
    ['a frozen base', { augment: ['flip'], augmentCopies: 2, head: [6] }],
    ['all of it, in steps', { base: 'full', schedule: 'step:1:0.5', warmupEpochs: 0.5, optimizer: 'momentum' }],
  ])('give the bits that as many at first would have given: %s', async (name, more) => {
    const spec = { source, validation: 0.25, batchSize: 8, microBatch: 4, keepCheckpoints: 1, ...more }
    const [whole, parts] = [join(root, `whole ${name}`), join(root, `parts ${name}`)]
    await train({ ...spec, epochs: 3, out: whole })
    const first = await train({ ...spec, epochs: 1, out: parts })
    const { record, lines } = await train({ ...spec, epochs: 3, out: parts })
    expect(lines).toHaveLength(3)
    expect(record).toMatchObject({ id: first.record.id, state: 'done', spec: { epochs: 3 } })
    for (const file of ['metrics.jsonl', 'model.safetensors', 'model.onnx']) {
      expect((await readFile(join(parts, file))).equals(await readFile(join(whole, file))), file).toBe(true)
    }
    const [a, b] = [await described(parts), await described(whole)]
    for (const field of ['classes', 'network', 'weights', 'metrics', 'preparation'] as const) expect(a[field]).toEqual(b[field])
  })

  it('are refused where the schedule spreads over all epochs, where fewer are asked for, and where more differs', async () => {
    const spec = { source, validation: 0, batchSize: 8, schedule: 'cosine', epochs: 1, out: join(root, 'cosine') }
    await train(spec)
    await expect(train({ ...spec, epochs: 2 })).rejects.toMatchObject({
      code: 'RUN_CONFLICT',
      message: expect.stringContaining('the cosine schedule spreads') as string,
    })
    const constant = { ...spec, schedule: 'constant', epochs: 2, out: join(root, 'constant') }
    await train(constant)
    await expect(train({ ...constant, epochs: 1 })).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
    await expect(train({ ...constant, epochs: 3, seed: 5 })).rejects.toMatchObject({
      code: 'RUN_CONFLICT',
      message: expect.stringMatching(/seed was 0, is 5/) as string,
    })
  })

  it('say what they do, and how many images there are; the same command again has nothing to do', async () => {
    const out = join(root, 'command')
    const flags = [
      '--weights',
      'random:1',
      '--layer',
      'inception_3a',
      '--size',
      '32x32',
      '--device',
      'cpu',
      '--batch-size',
      '8',
      '--validation',
      '0.25',
      '--out',
      out,
    ]
    const finetune = async (...more: string[]) => runCli(['finetune', source, '--model', 'googlenet', ...flags, ...more])
    const first = await finetune('--epochs', '1')
    expect(first.code, first.stderr).toBe(0)
    expect(first.stderr).toMatch(/\d+ images to train on, \d+ held out, 3 classes/)
    expect(first.stdout).toMatch(/; \d+ images to train on, \d+ held out, 3 classes/)
    const { dataset } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as {
      dataset: { training: number; validation: number; classes: number }
    }
    expect(dataset).toMatchObject({ classes: 3 })
    expect(dataset.training + dataset.validation).toBe(24)
    const again = await finetune('--epochs', '1')
    expect(again.stderr).toContain('already done')
    const more = await finetune('--epochs', '2')
    expect(more.code, more.stderr).toBe(0)
    expect(more.stderr).toContain('going on with a finished run for more epochs')
    expect(more.stdout).toContain('2 epochs')
  })
})

describe('a fine-tuned model that is trained again', () => {
  // A rate that changes no number: what the run starts from is what it ends with.
  const still = { optimizer: 'momentum', learningRate: 1e-30, epochs: 1, batchSize: 8, validation: 0.25, layer: undefined }
  let base = ''

  beforeAll(async () => {
    base = join(root, 'base')
    await train({ source, epochs: 1, batchSize: 8, validation: 0.25, head: [6], learningRate: 0.01, out: base })
  })

  it.each(['frozen', 'full'])('keeps its head where the classes are the same, base %s', async how => {
    const out = join(root, `same ${how}`)
    await train({ ...still, source, model: base, base: how, out })
    const [before, after] = [await tensorsOf(base), await tensorsOf(out)]
    expect([...after.keys()]).toEqual([...before.keys()])
    for (const [name, { data }] of after) expect(data, name).toEqual(before.get(name)!.data)
    expect((await described(out)).network).toEqual((await described(base)).network)
  })

  it('takes new classes in behind its own, whose rows it keeps; classes without images stay', async () => {
    const [other, out] = [join(root, 'other shapes'), join(root, 'extended')]
    await writeShapes(other, 8)
    await rm(join(other, 'square'), { recursive: true })
    await rename(join(other, 'triangle'), join(other, 'arrow'))
    await train({ ...still, source: other, model: base, out })
    const classes = (await described(out)).classes
    expect(classes).toEqual(['disc', 'square', 'triangle', 'arrow'])
    const [before, after] = [await tensorsOf(base), await tensorsOf(out)]
    for (const name of ['disc', 'square', 'triangle'])
      expect(rowOf(after, classes, name)).toEqual(rowOf(before, ['disc', 'square', 'triangle'], name))
    expect(new Set(rowOf(after, classes, 'arrow').slice(0, -1)).size).toBeGreaterThan(4)
    expect(after.get('hidden1/W')!.data).toEqual(before.get('hidden1/W')!.data)
  })

  it('gets a new head where a layer is named, and says so', async () => {
    const out = join(root, 'new head')
    const flags = [
      '--model',
      base,
      '--layer',
      'conv2',
      '--size',
      '32x32',
      '--device',
      'cpu',
      '--batch-size',
      '8',
      '--epochs',
      '1',
      '--out',
      out,
    ]
    const { code, stderr } = await runCli(['finetune', source, ...flags])
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('a new head: that of')
    const kept = await runCli([
      'finetune',
      source,
      ...flags.map(flag => (flag === out ? `${out} kept` : flag)).filter((_flag, i) => i !== 2 && i !== 3),
    ])
    expect(kept.code, kept.stderr).toBe(0)
    expect(kept.stderr).toContain('going on with the head of')
  })
})
