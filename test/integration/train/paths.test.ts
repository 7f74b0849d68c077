import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { filesBelow, readRun } from '../../helpers/results.js'
import { train, type TrainResult } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('paths')
let shapes = ''

beforeAll(async () => {
  shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 10)
})

const outFolder = async (name: string): Promise<string> => join(await folder(), name)
const weightsOf = async (name: string): Promise<Buffer> => readFile(join(await folder(), name, 'model.safetensors'))

/** Largest difference between two runs' losses, relative to the loss. */
function lossDifference(a: TrainResult, b: TrainResult): number {
  const losses = ({ lines }: TrainResult): number[] => lines.flatMap(({ training, validation }) => [training.loss, validation!.loss])
  const others = losses(b)
  return Math.max(...losses(a).map((loss, i) => Math.abs(loss - others[i]!) / Math.max(1, Math.abs(loss))))
}

describe('a frozen base', () => {
  it.each([
    ['plain', {}],
    ['with two hidden layers, dropout and class weights', { head: [16, 8], dropout: 0.4, classWeights: 'balanced', labelSmoothing: 0.1 }],
    ['with augmented copies', { augment: ['flip', 'crop', 'color'], augmentCopies: 2 }],
  ])('has the same losses from stored features as from images, %s', async (name, settings) => {
    const spec = { source: shapes, epochs: 3, batchSize: 8, microBatch: 4, learningRate: 0.0003, validation: 0.3, ...settings }
    const stored = await train({ ...spec, out: await outFolder(`stored ${name}`) })
    const general = await train({ ...spec, out: await outFolder(`general ${name}`) }, { generalPath: true })
    expect(stored.lines).toHaveLength(3)
    expect(lossDifference(stored, general)).toBeLessThan(1e-5)
    expect(await filesBelow(join(await outFolder(`stored ${name}`), 'features-run'))).toContain('images/_SUCCESS')
    expect(await filesBelow(join(await outFolder(`general ${name}`), 'features-run'))).toEqual([])
  })

  it('takes features, of augmented copies too, from a cache, and learns the same bits', async () => {
    const spec = {
      source: shapes,
      epochs: 1,
      batchSize: 8,
      microBatch: 4,
      validation: 0.3,
      augment: ['flip'],
      augmentCopies: 2,
      cache: await outFolder('cache'),
    }
    const featureRuns = async (name: string): Promise<{ done: number; cached?: number }[]> => {
      const runs = await outFolder(`${name}/features-run`)
      const records = (await filesBelow(runs)).filter(path => path.endsWith('run.json'))
      return Promise.all(records.map(async path => (await readRun(join(runs, path, '..'))).counts))
    }
    await train({ ...spec, out: await outFolder('fills the cache') })
    await train({ ...spec, out: await outFolder('finds all') })
    const before = await featureRuns('fills the cache')
    expect(before.map(({ cached }) => cached)).toEqual([0, 0, 0])
    const after = await featureRuns('finds all')
    expect(after).toEqual(before.map(counts => ({ ...counts, cached: counts.done })))
    expect((await weightsOf('finds all')).equals(await weightsOf('fills the cache'))).toBe(true)
  })
})

describe('the same spec', () => {
  it('gives the same bits each time, others with another seed, micro-batch or exchange, and its own with bfloat16', async () => {
    const spec = {
      source: shapes,
      epochs: 2,
      batchSize: 8,
      microBatch: 4,
      validation: 0.3,
      base: { inc3a: 1, conv2: 0.1 },
      augment: ['flip'],
      head: [8],
    }
    const variants: [string, object][] = [
      ['first', {}],
      ['second', {}],
      ['seed', { seed: 7 }],
      ['rounded', { exchange: 'bfloat16' }],
      ['rounded again', { exchange: 'bfloat16' }],
    ]
    for (const [name, changes] of variants) await train({ ...spec, ...changes, out: await outFolder(name) })
    const weights = await Promise.all(variants.map(([name]) => weightsOf(name)))
    expect(weights[1]!.equals(weights[0]!)).toBe(true)
    expect(weights[2]!.equals(weights[0]!)).toBe(false)
    expect(weights[3]!.equals(weights[0]!)).toBe(false)
    expect(weights[4]!.equals(weights[3]!)).toBe(true)
    const metrics = async (name: string): Promise<string> => readFile(join(await outFolder(name), 'metrics.jsonl'), 'utf8')
    expect(await metrics('second')).toBe(await metrics('first'))
    expect(await metrics('rounded again')).toBe(await metrics('rounded'))
  })
})

describe('what can be trained', () => {
  it('moves running statistics of a frozen base where asked, and nothing else of it', async () => {
    const { readTensors } = await import('@layermill/weights')
    const spec = {
      model: 'resnet50',
      layer: 'res2',
      source: shapes,
      epochs: 1,
      batchSize: 8,
      validation: 0.3,
      batchNorm: 'batch',
      out: await outFolder('statistics'),
    }
    await train(spec)
    await train({ ...spec, batchNorm: 'frozen', out: await outFolder('no statistics') })
    const moved = (await readTensors(join(await outFolder('statistics'), 'model.safetensors'))).tensors
    const still = (await readTensors(join(await outFolder('no statistics'), 'model.safetensors'))).tensors
    for (const [name, { data }] of moved) {
      if (name.startsWith('fc/')) continue
      if (/avg_(mean|var)$/.test(name)) expect(data, name).not.toEqual(still.get(name)!.data)
      else expect(data, name).toEqual(still.get(name)!.data)
    }
  })

  it('moves statistics of layers that learn only, where some of the base do not', async () => {
    const { readTensors } = await import('@layermill/weights')
    const spec = { model: 'resnet50', layer: 'res3', source: shapes, epochs: 1, batchSize: 8, validation: 0.3, base: 'res3=1,*=0' }
    await train({ ...spec, batchNorm: 'batch', out: await outFolder('some statistics') })
    await train({ ...spec, batchNorm: 'frozen', base: 'frozen', out: await outFolder('base as it was') })
    const moved = (await readTensors(join(await outFolder('some statistics'), 'model.safetensors'))).tensors
    const still = (await readTensors(join(await outFolder('base as it was'), 'model.safetensors'))).tensors
    for (const [name, { data }] of moved) {
      if (name.startsWith('fc/')) continue
      if (name.startsWith('res3/')) expect(data, name).not.toEqual(still.get(name)!.data)
      else expect(data, name).toEqual(still.get(name)!.data)
    }
  })

  it('stops early and keeps the best epoch', async () => {
    const out = await outFolder('early')
    // Too fast a rate: it gets worse soon.
    const { lines } = await train({
      source: shapes,
      epochs: 40,
      batchSize: 8,
      validation: 0.3,
      learningRate: 0.01,
      earlyStopping: 2,
      keepCheckpoints: 2,
      out,
    })
    expect(lines.length).toBeLessThan(40)
    const best = lines.findLast(line => line.best)!
    expect(best.epoch).toBe(lines.length - 2)
    const model = JSON.parse(await readFile(join(out, 'model.json'), 'utf8')) as { metrics: { epoch: number } }
    expect(model.metrics.epoch).toBe(best.epoch)
    expect((await filesBelow(join(out, 'checkpoints'))).filter(name => name.startsWith('step-'))).toHaveLength(2)
  })

  it('trains all three classifiers of GoogLeNet', async () => {
    const out = await outFolder('auxiliary')
    // Its last pooling needs the network's own size.
    const { lines } = await train({
      source: shapes,
      layer: undefined,
      size: undefined,
      auxiliary: true,
      base: { loss1_fc1: 1 },
      epochs: 1,
      batchSize: 12,
      microBatch: 6,
      validation: 0,
      out,
    })
    expect(lines[0]!.training.loss).toBeGreaterThan(0)
    const { readTensors } = await import('@layermill/weights')
    const { tensors } = await readTensors(join(out, 'model.safetensors'))
    for (const name of ['loss1_fc2/W', 'loss2_fc2/W', 'loss3_fc/W']) expect(tensors.get(name)!.shape[0]).toBe(3)
  })
})
