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

const folder = testFolder('targets')
const each = 10
const small = '--model googlenet --weights random:1 --layer inception_3a --size 32x32 --device cpu'.split(' ')
let root = ''

/** Labels of a shape: its own name, and what it has in common with others. */
const labels: Readonly<Record<string, string>> = { disc: 'disc|round', square: 'square|corners', triangle: 'triangle|corners' }

async function cli(...args: string[]): Promise<CliResult> {
  const result = await runCli(args)
  expect(result.code, result.stderr).toBe(0)
  return result
}

beforeAll(async () => {
  root = await folder()
  await writeShapes(root, each)
  const images = shapeNames.flatMap(name =>
    Array.from({ length: each }, (_, i) => ({ name, path: `${name}/${String(i).padStart(4, '0')}.png` })),
  )
  await writeFile(join(root, 'labels.csv'), `path,label\n${images.map(({ name, path }) => `${path},${labels[name]}\n`).join('')}`)
  const numbers = images.map(({ name, path }) => `${path},${100 + 10 * shapeNames.indexOf(name)},${name === 'disc' ? 0 : 0.001}\n`)
  await writeFile(join(root, 'numbers.csv'), `path,degrees,share\n${numbers.join('')}`)
})

describe('finetune --target multi-label', () => {
  let out = ''
  beforeAll(async () => {
    out = join(root, 'multi')
    const settings = '--head 16 --dropout 0 --epochs 15 --batch-size 8 --learning-rate 0.003 --validation 0.25'.split(' ')
    await cli(
      'finetune',
      join(root, 'labels.csv'),
      ...small,
      '--target',
      'multi-label',
      '--class-weights',
      'balanced',
      '--standardize',
      ...settings,
      '--out',
      out,
    )
  })

  it('learns, and says how well: average precision, F1, a threshold for each class', async () => {
    const lines = await readLines(out)
    expect(lines.at(-1)!.training.loss).toBeLessThan(lines[0]!.training.loss / 2)
    expect(lines.at(-1)!.training.accuracy).toBeGreaterThan(lines[0]!.training.accuracy!)
    const model = JSON.parse(await readFile(join(out, 'model.json'), 'utf8')) as { classes: string[]; thresholds: number[] }
    expect(model.classes).toEqual(['corners', 'disc', 'round', 'square', 'triangle'])
    expect(model.thresholds).toHaveLength(5)
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('mean average precision')
    const plan = JSON.parse(await readFile(join(out, 'training.json'), 'utf8')) as { target: { positiveWeights: number[] } }
    // Of those without a label over those with it.
    expect(plan.target.positiveWeights[0]).toBeLessThan(1)
    expect(plan.target.positiveWeights[1]).toBeGreaterThan(1)
  })

  it('makes a model that predict, evaluate and loadModel take, and ONNX Runtime computes alike', async () => {
    const held = join(out, 'dataset', 'validation.jsonl')
    const rows = (await readFile(held, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { key: string; label: string })
    const list = join(root, 'held.jsonl')
    await writeFile(list, rows.map(({ key, label }) => `${JSON.stringify({ path: key, label: JSON.parse(label) as string[] })}\n`).join(''))
    const { validation } = (await readLines(out)).findLast(({ best }) => best)!
    const evaluated = JSON.parse((await cli('evaluate', list, '--model', out, '--json')).stdout.trim().split('\n').at(-1)!) as {
      labels: { meanAveragePrecision: number; macroF1: number; microF1: number }
    }
    expect(evaluated.labels.meanAveragePrecision).toBeCloseTo(validation!.meanAveragePrecision!, 6)
    expect(evaluated.labels.macroF1).toBeCloseTo(validation!.macroF1!, 6)
    expect(evaluated.labels.microF1).toBeCloseTo(validation!.microF1!, 6)

    const file = join(root, 'answers.csv')
    await cli('predict', list, '--model', out, '--out', file)
    const [header, ...lines] = (await readFile(file, 'utf8')).trim().split(/\r?\n/)
    expect(header).toBe('key,rank,class,label,probability,given')
    expect(lines).toHaveLength(5 * rows.length)

    const model = await loadModel(out)
    const image = join(root, rows[0]!.key)
    const [answer] = await model.answers([image])
    const thresholds = new Map(
      model.labels.map((label, i) => [label, model.target?.kind === 'multi-label' ? model.target.thresholds[i]! : 1]),
    )
    expect([...answer!.labels!].sort()).toEqual(
      answer!.classes.flatMap(({ label, probability }) => (probability > thresholds.get(label)! ? [label] : [])).sort(),
    )
    const prepared = await model.prepare(image)
    const session = await InferenceSession.create(join(out, 'model.onnx'))
    const found = await session.run({ [session.inputNames[0]!]: new Tensor('float32', prepared.data, [1, ...prepared.shape]) })
    const shares = found['prob']!.data as Float32Array
    for (const { index, probability } of answer!.classes) expect(shares[index]).toBeCloseTo(probability, 5)
    await Promise.all([session.release(), model.dispose()])
  })
})

describe('finetune --target regression', () => {
  it('learns numbers of any size with the base, here and over a queue, and gives them back in their own units', async () => {
    const spec = {
      source: join(root, 'numbers.csv'),
      target: 'regression',
      labelColumns: ['degrees', 'share'],
      loss: 'smooth-l1:0.5',
      base: 'full',
      epochs: 2,
      learningRate: 0.00003,
      batchSize: 8,
      microBatch: 4,
      validation: 0.25,
    }
    const [here, queued] = [join(root, 'numbers-here'), join(root, 'numbers-queued')]
    const { lines } = await train({ ...spec, out: here })
    await train({ ...spec, out: queued }, overQueue({ inFlight: 2 }))
    const weights = async (out: string): Promise<Buffer> => readFile(join(out, 'model.safetensors'))
    expect((await weights(queued)).equals(await weights(here))).toBe(true)
    expect(lines[1]!.training.loss).toBeLessThan(lines[0]!.training.loss)
    const { validation } = lines.findLast(({ best }) => best)!
    expect(validation!.accuracy).toBeUndefined()

    const held = (await readFile(join(here, 'dataset', 'validation.jsonl'), 'utf8')).trim().split('\n')
    const images = held.map(line => JSON.parse(line) as { key: string; label: string })
    const model = await loadModel(here)
    const answers = await model.answers(images.map(({ key }) => join(root, key)))
    await expect(model.predict([])).rejects.toThrow(/gives numbers and knows no classes/)
    await model.dispose()
    const errors = images.map(({ label }, i) => {
      const wanted = JSON.parse(label) as number[]
      return answers[i]!.values!.map(({ value }, k) => Math.abs(value - wanted[k]!))
    })
    const mae = errors.flat().reduce((sum, error) => sum + error, 0) / errors.flat().length
    expect(mae / validation!.mae! - 1).toBeCloseTo(0, 3)
    expect(answers[0]!.values!.map(({ label }) => label)).toEqual(['degrees', 'share'])

    const evaluated = await cli('evaluate', join(root, 'numbers.csv'), '--label-columns', 'degrees,share', '--model', here)
    expect(evaluated.stdout).toMatch(/degrees\s+[\d.]+\s+[\d.]+\s+-?[\d.]+/)
  })
})
