/** Files as people have them, on the command line: a backbone alone, and one beside a head of another name. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tensor } from '@layermill/core'
import { importWeights, readTensors, safetensorsBytes } from '@layermill/weights'
import { beforeAll, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { shapeNames, writeShapes } from './shapes.js'

const folder = testFolder('people-weights')
const small = ['--model', 'googlenet.tv', '--size', '32x32', '--device', 'cpu', '--batch-size', '4']
const files = { backbone: '', withHead: '', shapes: '', labels: '' }

/** A head of three scores; the same numbers each time. */
function head(): [string, Tensor][] {
  const [classes, inputs] = [shapeNames.length, 1024]
  const data = Float32Array.from({ length: classes * inputs }, (_, i) => (((i * 7919) % 2003) / 1001.5 - 1) / 16)
  return [
    ['head.weight', { shape: [classes, inputs], data }],
    ['head.bias', { shape: [classes], data: Float32Array.of(0.1, 0, -0.1) }],
  ]
}

beforeAll(async () => {
  const at = await folder()
  for (const name of Object.keys(files) as (keyof typeof files)[])
    files[name] = join(at, `${name}${name === 'backbone' || name === 'withHead' ? '.safetensors' : ''}`)
  const whole = join(at, 'whole.safetensors')
  await importWeights('random:1', 'googlenet.tv', whole)
  const { tensors } = await readTensors(whole)
  const body = [...tensors]
    .filter(([name]) => !/^(fc|aux1|aux2)\./.test(name))
    .map(([name, tensor]): [string, Tensor] => [`backbone.${name}`, tensor])
  await writeFile(files.backbone, safetensorsBytes(new Map(body), { format: 'pt' }))
  await writeFile(files.withHead, safetensorsBytes(new Map([...body, ...head()]), { format: 'pt' }))
  await writeShapes(files.shapes, 4)
  await writeFile(files.labels, 'round\nangular\npointed\n')
})

it('trains a head on a backbone that has none, which alone predicts nothing', async () => {
  const refused = await runCli(['predict', files.shapes, ...small, '--weights', files.backbone])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/no layer 'prob' with these weights: they end before loss3_fc/)
  expect(refused.stderr).toMatch(/train a head on them with `layermill finetune`/)

  const out = join(await folder(), 'model')
  const trained = await runCli([
    'finetune',
    files.shapes,
    ...small,
    '--weights',
    files.backbone,
    '--epochs',
    '2',
    '--seed',
    '1',
    '--out',
    out,
  ])
  expect(trained.code, trained.stderr).toBe(0)
  expect(trained.stderr).toContain('the file has no classifier: loss3_fc')
  const model = await readTensors(join(out, 'model.safetensors'))
  const source = await readTensors(files.backbone)
  // The base stays as it was in the file, under the network's names.
  const conv1 = [...model.tensors.values()].find(({ shape }) => shape.join() === '64,3,7,7')
  expect(conv1?.data).toEqual(source.tensors.get('backbone.conv1.conv.weight')!.data)
  expect([...model.tensors].filter(([name]) => name.endsWith('fc/W') && !name.startsWith('loss')).map(([, { shape }]) => shape)).toEqual([
    [3, 1024],
  ])

  const table = join(await folder(), 'trained.csv')
  const predicted = await runCli(['predict', files.shapes, '--model', out, '--device', 'cpu', '--top', '3', '--out', table])
  expect(predicted.code, predicted.stderr).toBe(0)
  const rows = (await readFile(table, 'utf8'))
    .trim()
    .split('\n')
    .slice(1)
    .map(line => line.split(','))
  expect(rows).toHaveLength(12 * 3)
  expect(new Set(rows.map(row => row[3]))).toEqual(new Set(shapeNames))
})

it('says what a file is, and predicts with its head under the names of --labels', async () => {
  const shown = await runCli(['models', files.withHead])
  expect(shown.code, shown.stderr).toBe(0)
  expect(shown.stdout).toMatch(/--model googlenet\.tv, torchvision's names, safetensors, 3 classes/)
  expect(shown.stdout).toContain('loss3_fc is head of the file, with 3 scores')
  expect(shown.stdout).toMatch(/^inception_3a +256x28x28 /m)
  expect(shown.stdout).toMatch(/^prob +3 /m)

  const table = join(await folder(), 'labelled.csv')
  const predicted = await runCli([
    'predict',
    files.shapes,
    ...small,
    '--weights',
    files.withHead,
    '--labels',
    files.labels,
    '--top',
    '3',
    '--out',
    table,
  ])
  expect(predicted.code, predicted.stderr).toBe(0)
  const rows = (await readFile(table, 'utf8'))
    .trim()
    .split('\n')
    .slice(1)
    .map(line => line.split(','))
  expect(rows).toHaveLength(12 * 3)
  for (const [, , index, label] of rows) expect(label).toBe(['round', 'angular', 'pointed'][Number(index)])
  for (const key of new Set(rows.map(row => row[0]))) {
    const shares = rows.filter(row => row[0] === key).map(row => Number(row[4]))
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5)
  }

  await writeFile(files.labels, 'round\nangular\n')
  const refused = await runCli(['predict', files.shapes, ...small, '--weights', files.withHead, '--labels', files.labels])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/labels: got 2 names, expected 3/)
})
