import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { loadModel } from 'layermill'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CliResult, runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { readLines, train } from './embedded.js'
import { overQueue } from './over-queue.js'
import { shapeNames, writeShapes } from './shapes.js'

const folder = testFolder('mixed')
const each = 10
const small = '--model googlenet --weights random:1 --layer inception_3a --size 32x32 --device cpu'.split(' ')
const targets = 'shape:class,traits:multi-label,degrees:regression:0.5'
const traits: Readonly<Record<string, string>> = { disc: 'round', square: 'corners|flat', triangle: 'corners' }
let root = ''
let out = ''

async function cli(...args: string[]): Promise<CliResult> {
  const result = await runCli(args)
  expect(result.code, result.stderr).toBe(0)
  return result
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Row {
  readonly key: string
  readonly label: string
}

const heldOut = async (): Promise<Row[]> =>
  (await readFile(join(out, 'dataset', 'validation.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Row)

beforeAll(async () => {
  root = await folder()
  out = join(root, 'mixed')
  await writeShapes(root, each)
  const lines = shapeNames.flatMap((name, k) =>
    Array.from({ length: each }, (_, i) => {
      const path = `${name}/${String(i).padStart(4, '0')}.png`
      // Every fourth image has no class, every third no number, one in ten no traits.
      return [path, i % 4 === 1 ? '' : name, i === 8 ? '' : traits[name], i % 3 === 2 ? '' : 100 + 10 * k].join()
    }),
  )
  await writeFile(join(root, 'labels.csv'), `path,shape,traits,degrees\n${lines.join('\n')}\n`)
  const settings =
    '--head 16 --dropout 0 --epochs 15 --batch-size 8 --micro-batch 4 --learning-rate 0.0005 --loss smooth-l1 --validation 0.25'.split(' ')
  await cli('finetune', join(root, 'labels.csv'), ...small, '--targets', targets, '--standardize', ...settings, '--out', out)
})

describe('finetune --targets', () => {
  it('learns all targets together, and says how well each', async () => {
    const lines = await readLines(out)
    const [first, last] = [lines[0]!, lines.at(-1)!]
    expect(last.training.loss).toBeLessThan(first.training.loss / 2)
    expect(last.training.accuracy).toBeUndefined()
    const rows = await heldOut()
    for (const { validation } of lines) {
      const { shape, traits: labels, degrees } = validation!.heads!
      // The loss that chooses the epoch is the sum of all, each times its factor.
      expect(shape!.loss + labels!.loss + 0.5 * degrees!.loss).toBeCloseTo(validation!.loss, 5)
      expect(Object.keys(shape!)).toEqual(['images', 'loss', 'accuracy', 'macroF1'])
      expect(degrees!.r2).toBeLessThanOrEqual(1)
    }
    const counted = (name: string): number => rows.filter(({ label }) => name in (JSON.parse(label) as object)).length
    const { shape, traits: labels, degrees } = last.validation!.heads!
    expect([shape!.images, labels!.images, degrees!.images]).toEqual(['shape', 'traits', 'degrees'].map(counted))
    expect(counted('shape')).toBeLessThan(rows.length)
    const report = await readFile(join(out, 'report.html'), 'utf8')
    for (const text of ['Target shape', 'Target traits', 'Target degrees', 'degrees: mean absolute error']) expect(report).toContain(text)
  })

  it('makes a model whose answers predict, loadModel and ONNX Runtime give alike', async () => {
    const rows = await heldOut()
    const list = join(root, 'held.jsonl')
    await writeFile(list, rows.map(({ key }) => `${JSON.stringify({ path: key })}\n`).join(''))
    const [csv, jsonl] = [join(root, 'answers.csv'), join(root, 'answers.jsonl')]
    await cli('predict', list, '--model', out, '--out', csv)
    const [header, ...lines] = (await readFile(csv, 'utf8')).trim().split(/\r?\n/)
    expect(header).toBe('key,target,rank,class,label,probability,given,value')
    expect(lines).toHaveLength((3 + 3 + 1) * rows.length)
    await cli('predict', list, '--model', out, '--out', jsonl)
    const told = JSON.parse((await readFile(jsonl, 'utf8')).split('\n')[0]!) as { key: string; heads: object }

    const model = await loadModel(out)
    const answers = await model.answers(rows.map(({ key }) => join(root, key)))
    const answer = answers[rows.findIndex(({ key }) => key === told.key)]
    expect(Object.keys(answer!.heads!)).toEqual(['shape', 'traits', 'degrees'])
    expect(told.heads).toEqual(answer!.heads)
    await expect(model.predict([])).rejects.toThrow(/has several targets/)
    const { shape, traits: labels, degrees } = answer!.heads!
    // Classes are as right, and numbers as far off in their own units, as the run said.
    const { validation } = (await readLines(out)).findLast(({ best }) => best)!
    const known = rows.map(({ label }, i) => ({
      ...(JSON.parse(label) as { shape?: string; degrees?: number[] }),
      answer: answers[i]!.heads!,
    }))
    const right = known.flatMap(row => (row.shape === undefined ? [] : [row.answer['shape']!.classes[0]!.label === row.shape ? 1 : 0]))
    expect(mean(right)).toBeCloseTo(validation!.heads!['shape']!.accuracy!, 6)
    const off = known.flatMap(row => (row.degrees ?? []).map(degree => Math.abs(degree - row.answer['degrees']!.values![0]!.value)))
    expect(mean(off) / validation!.heads!['degrees']!.mae! - 1).toBeCloseTo(0, 3)

    const prepared = await model.prepare(join(root, told.key))
    const session = await InferenceSession.create(join(out, 'model.onnx'))
    const found = await session.run({ [session.inputNames[0]!]: new Tensor('float32', prepared.data, [1, ...prepared.shape]) })
    expect(Object.keys(found).toSorted()).toEqual(['degrees', 'fc', 'prob', 'shape', 'traits'])
    for (const { index, probability } of shape!.classes) expect(found['shape']!.data[index]).toBeCloseTo(probability, 5)
    for (const { index, probability } of labels!.classes) expect(found['traits']!.data[index]).toBeCloseTo(probability, 5)
    expect(found['degrees']!.data[0]).toBeCloseTo(degrees!.values![0]!.value, 3)
    await Promise.all([session.release(), model.dispose()])
  })

  it('is evaluated by target, and explained by class', async () => {
    const held = await heldOut()
    const list = join(root, 'evaluated.jsonl')
    await writeFile(list, held.map(({ key, label }) => `${JSON.stringify({ path: key, ...(JSON.parse(label) as object) })}\n`).join(''))
    const place = join(root, 'evaluation')
    const { stdout } = await cli('evaluate', list, '--model', out, '--out', place)
    expect(stdout).toMatch(/shape\n\nclass[^]*accuracy[^]*traits\n\nclass[^]*mAP[^]*degrees\n\noutput[^]*MAE/)
    const { heads } = JSON.parse(await readFile(join(place, 'evaluation.json'), 'utf8')) as {
      heads: { shape: { images: number; accuracy: number }; traits: { labels: { macroF1: number } }; degrees: { numbers: { r2: number } } }
    }
    const told = (await readLines(out)).findLast(({ best }) => best)!.validation!.heads!
    expect([heads.shape.images, heads.shape.accuracy]).toEqual([told['shape']!.images, told['shape']!.accuracy])
    expect(heads.traits.labels.macroF1).toBeCloseTo(told['traits']!.macroF1!, 6)
    expect(heads.degrees.numbers.r2 / told['degrees']!.r2! - 1).toBeCloseTo(0, 3)
    expect(await readFile(join(place, 'report.html'), 'utf8')).toContain('Target degrees')
    const refused = await runCli(['evaluate', list, '--model', out, '--min-accuracy', '0.5'])
    expect(refused.stderr).toMatch(/--min-accuracy: got 0.5, expected none: a model with several targets has one of each/)

    const explain = ['explain', list, '--model', out, '--limit', '1', '--out', join(root, 'explained')]
    expect((await runCli(explain)).stderr).toMatch(/--class: got nothing, expected one of shape:disc, shape:square/)
    await cli(...explain, '--class', 'degrees')
    const [, line] = (await readFile(join(root, 'explained', 'explanations.csv'), 'utf8')).split(/\r?\n/)
    const [key, , name, value] = line!.split(',')
    const model = await loadModel(out)
    const [answer] = await model.answers([join(root, key!)])
    await model.dispose()
    expect(name).toBe('degrees')
    expect(Number(value) / answer!.heads!['degrees']!.values![0]!.value - 1).toBeCloseTo(0, 4)
  })

  it('is registered, and judged target by target', async () => {
    const registry = join(root, 'registry')
    const version = async (name: string, ...more: string[]): Promise<string> => {
      const settings = '--batch-size 8 --epochs 2 --validation 0.25 --standardize --loss smooth-l1 --register shapes --allow-leaks'.split(
        ' ',
      )
      const args = ['finetune', join(root, 'labels.csv'), ...small, '--targets', targets, ...settings, ...more]
      return (await cli(...args, '--registry', registry, '--out', join(root, name))).stderr
    }
    expect(await version('first')).toContain('the first version')
    expect(await version('second')).toMatch(/shape: accuracy .*; traits: accuracy .*; degrees: score .* within the margin/)
    const evaluation = JSON.parse(await readFile(join(registry, 'models/shapes/versions/2/evaluation.json'), 'utf8')) as {
      promoted: boolean
      targets: { name: string; difference: number; compared: number }[]
    }
    expect(evaluation.promoted).toBe(true)
    const told = (await readLines(join(root, 'second'))).at(-1)!.validation!.heads!
    expect(evaluation.targets).toMatchObject(
      ['shape', 'traits', 'degrees'].map(name => ({ name, difference: 0, compared: told[name]!.images })),
    )
  })

  it('is the same after a stop, in other micro-batches of the same batch, and over a queue', async () => {
    const spec = { source: join(root, 'labels.csv'), targets, base: 'full', epochs: 2, learningRate: 0.00003, batchSize: 8, microBatch: 4 }
    const outs = ['here', 'stopped', 'queued'].map(name => join(root, name))
    const { lines } = await train({ ...spec, out: outs[0] })
    const stop = new AbortController()
    const stopped = train(
      { ...spec, checkpointSteps: 1, out: outs[1] },
      { signal: stop.signal, onEpoch: () => stop.abort(new Error('stopped')) },
    )
    await expect(stopped).rejects.toThrow('stopped')
    await train({ ...spec, checkpointSteps: 1, out: outs[1] })
    await train({ ...spec, out: outs[2] }, overQueue({ inFlight: 2 }))
    const weights = await Promise.all(outs.map(async place => readFile(join(place, 'model.safetensors'))))
    expect(weights[1]!.equals(weights[0]!)).toBe(true)
    expect(weights[2]!.equals(weights[0]!)).toBe(true)
    // Each micro-batch has values of its own targets; the mean is over the batch all the same.
    const whole = await train({ ...spec, epochs: 1, microBatch: 8, out: join(root, 'whole') })
    expect(whole.lines[0]!.training.loss).toBeCloseTo(lines[0]!.training.loss, 4)
    expect(whole.lines[0]!.validation!.loss).toBeCloseTo(lines[0]!.validation!.loss, 4)
  })

  it('is refused with what is wrong', async () => {
    const refused = async (texts: string, message: RegExp, source = 'labels.csv'): Promise<void> => {
      const { code, stderr } = await runCli(['finetune', join(root, source), ...small, '--targets', texts, '--out', join(root, 'refused')])
      expect(code).not.toBe(0)
      expect(stderr).toMatch(message)
    }
    await refused('shape:class,size:regression', /no column named size in the header/)
    await refused('shape:class,traits:regression', /has "round" as traits, expected a number/)
    await writeFile(join(root, 'empty.csv'), 'path,shape,size\ndisc/0000.png,disc,\nsquare/0000.png,square,\n')
    await refused('shape:class,size:regression', /no image in .*empty.csv has a value of size/, 'empty.csv')
    await writeFile(join(root, 'single.csv'), 'path,shape,size\ndisc/0000.png,disc,1\ndisc/0001.png,disc,2\n')
    await refused('shape:class,size:regression', /\(target shape\) has 2 images of the class disc only/, 'single.csv')
  })
})
