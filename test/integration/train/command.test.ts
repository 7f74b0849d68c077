import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { readTensors } from '@layermill/weights'
import { loadModel } from 'layermill'
import { type CliResult, runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { filesBelow, readNpy, readRun } from '../../helpers/results.js'
import { readLines } from './embedded.js'
import { shapeImage, writeShapes } from './shapes.js'

const folder = testFolder('finetune')
let shapes = ''
let out = ''
let result: CliResult

const command = (): string[] => [
  'finetune',
  shapes,
  '--model',
  'googlenet',
  '--weights',
  'random:1',
  '--layer',
  'inception_3a',
  '--head',
  '32',
  '--dropout',
  '0.1',
  '--size',
  '32x32',
  '--epochs',
  '12',
  '--batch-size',
  '8',
  '--validation',
  '0.25',
  '--learning-rate',
  '0.0003',
  '--schedule',
  'cosine',
  '--device',
  'cpu',
  '--out',
  out,
]

beforeAll(async () => {
  shapes = join(await folder(), 'shapes')
  out = join(await folder(), 'model')
  await writeShapes(shapes, 20)
  result = await runCli([...command(), '--export', 'chainer.npz'])
})

describe('layermill finetune', () => {
  it('writes everything that it promises, and says how well it went', async () => {
    expect(result.code, result.stderr).toBe(0)
    expect(result.stderr).toMatch(/epoch 12: loss [\d.]+, [\d.]+%/)
    expect(result.stdout).toMatch(/^12 epochs, .*held out accuracy/)
    expect(result.stdout.trim().split('\n').at(-1)).toBe(`report: ${out}/report.html`)
    const files = await filesBelow(out)
    for (const name of [
      'model.json',
      'model.safetensors',
      'model.onnx',
      'metrics.jsonl',
      'report.html',
      'run.json',
      'chainer.npz',
      '_SUCCESS',
      'checkpoints/best.safetensors',
    ]) {
      expect(files).toContain(name)
    }
    const run = await readRun(out)
    expect(run).toMatchObject({ state: 'done', counts: { images: 60, done: 60, failed: 0 }, spec: { kind: 'finetune' } })
    const lines = await readLines(out)
    expect(lines.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect(lines.at(-1)!.training.loss).toBeLessThan(lines[0]!.training.loss / 2)
  })

  it('has nothing to do the second time', async () => {
    const before = await readFile(join(out, 'model.safetensors'))
    const again = await runCli(command())
    expect(again.code, again.stderr).toBe(0)
    expect(again.stderr).toContain('already done')
    expect((await readFile(join(out, 'model.safetensors'))).equals(before)).toBe(true)
  })

  it('makes a model that predict takes: held-out images are told apart as well as the run says', async () => {
    const predictions = join(await folder(), 'classes.jsonl')
    const predicted = await runCli(['predict', shapes, '--model', out, '--device', 'cpu', '--out', predictions])
    expect(predicted.code, predicted.stderr).toBe(0)
    const rows = (await readFile(predictions, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { key: string; classes: { label: string }[] })
    expect(rows).toHaveLength(60)
    const heldOut = (await readFile(join(out, 'dataset', 'validation.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { key: string }).key)
    const right = rows.filter(({ key, classes }) => heldOut.includes(key) && key.startsWith(`${classes[0]!.label}/`))
    const best = (await readLines(out)).findLast(line => line.best)!
    expect(right.length / heldOut.length).toBeCloseTo(best.validation!.accuracy!, 10)
    expect(best.validation!.accuracy).toBeGreaterThan(0.5)
  })

  it('makes a model that extract takes, whose scores plain ONNX Runtime gives too', async () => {
    const features = join(await folder(), 'features')
    const extracted = await runCli([
      'extract',
      shapes,
      '--model',
      out,
      '--layers',
      'fc,hidden1,inception_3a',
      '--device',
      'cpu',
      '--out',
      features,
    ])
    expect(extracted.code, extracted.stderr).toBe(0)
    const scores = await readNpy(features, 'fc')
    const model = await loadModel(out)
    try {
      expect(model.labels).toEqual(['disc', 'square', 'triangle'])
      const session = await InferenceSession.create(join(out, 'model.onnx'), { graphOptimizationLevel: 'all' })
      for (const key of ['disc/0003.png', 'triangle/0011.png']) {
        const prepared = await model.prepare(join(shapes, key))
        const { fc } = await model.extract([join(shapes, key)], { layers: ['fc'] })
        const outputs = await session.run({ [session.inputNames[0]!]: new Tensor('float32', prepared.data, [1, ...prepared.shape]) })
        const plain = Array.from(outputs[session.outputNames.find(name => outputs[name]!.dims[1] === 3)!]!.data as Float32Array)
        expect(scores.get(key)).toHaveLength(3)
        for (const [i, value] of scores.get(key)!.entries()) {
          expect(Math.abs(plain[i]! - value)).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)))
          expect(Math.abs(fc!.data[i]! - value)).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)))
        }
      }
      const [classes] = await model.predict([await shapeImage('square', 5)])
      expect(classes!.map(({ label }) => label).toSorted()).toEqual(['disc', 'square', 'triangle'])
    } finally {
      await model.dispose()
    }
  })

  it('names base, spec and dataset in model.json, and exports for Chainer what it has itself', async () => {
    const model = JSON.parse(await readFile(join(out, 'model.json'), 'utf8')) as Record<string, Record<string, unknown>>
    expect(model['network']).toMatchObject({ base: 'googlenet', head: { layer: 'inception_3a', classes: ['disc', 'square', 'triangle'] } })
    expect(model['lineage']).toMatchObject({
      base: { model: 'googlenet', weights: 'random:1' },
      dataset: { training: expect.any(Number) as number },
      spec: { epochs: 12 },
    })
    const own = await readTensors(join(out, 'model.safetensors'))
    const exported = await readTensors(join(out, 'chainer.npz'))
    for (const [name, { data }] of own.tensors) expect(exported.tensors.get(name)!.data, name).toEqual(data)
  })

  it('writes a report that needs nothing else', async () => {
    const html = await readFile(join(out, 'report.html'), 'utf8')
    expect(html).toContain('<svg')
    expect(html).toContain('class="confusion"')
    expect(html).not.toMatch(/<script|(?:src|href)="(?!data:)/)
    for (const text of ['Worst mistakes', 'Where the time went', 'Spec and lineage', 'triangle']) expect(html).toContain(text)
  })

  it('fine-tunes a fine-tuned model', async () => {
    const second = join(await folder(), 'second')
    const tuned = await runCli([
      'finetune',
      shapes,
      '--model',
      out,
      '--layer',
      'hidden1',
      '--epochs',
      '1',
      '--device',
      'cpu',
      '--out',
      second,
    ])
    expect(tuned.code, tuned.stderr).toBe(0)
    const predicted = await runCli(['predict', join(shapes, 'disc', '0001.png'), '--model', second, '--device', 'cpu'])
    expect(predicted.code, predicted.stderr).toBe(0)
    expect(predicted.stdout).toContain('disc')
  })
})
