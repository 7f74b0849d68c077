/**
 * Heads and a small network with several labels an image, or with numbers, against PyTorch's autograd in float64 and Chainer's Adam; their
 * figures against scikit-learn.
 */
import { columnDeviations, columnMeans, sourceOf } from '@layermill/analysis'
import { type Engine, type LossKind, openEngine } from '@layermill/engines'
import { node, tinyNetwork } from '@layermill/engines/testing'
import { elementCount, type Tensor } from '@layermill/core'
import { type Network, parameterShapes } from '@layermill/models'
import { chainerWeights, picture } from '@layermill/weights'
import { foldStandard, foldTargets, multiLabelMetrics, Optimizer, putBack, regressionMetrics } from '@layermill/training'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { uniform } from '../golden.js'
import { differenceFrom, type Summary } from '../summary.js'
import { featureSet, stored } from './sets.js'

interface Case {
  readonly steps: readonly { readonly loss: number; readonly outputsRow0: readonly number[] }[]
  readonly gradients: Readonly<Record<string, Summary>>
  readonly parametersAfter: Readonly<Record<string, Summary>>
  readonly outputsAfter: Summary
  readonly foldedBack?: Readonly<Record<string, Summary>>
}
type Cases = Readonly<Record<string, Case>>
type Figures = Readonly<Record<string, number | readonly number[]>>

const golden = stored<{
  readonly seed: string
  readonly posWeight: readonly number[]
  readonly features: Summary
  readonly multiLabelTargets: Summary
  readonly regressionTargets: Summary
  readonly networkInput: Summary
  readonly head: Cases
  readonly network: Cases
  readonly metrics: Readonly<Record<string, Figures>>
}>('finetune-40x32.json')

const { seed } = golden
const outputs = 5
const labels = Float32Array.from({ length: 200 }, (_, i) => (uniform(`${seed}:labels`, i) < 0.3 ? 1 : 0))
const features = Float32Array.from(featureSet(seed, 'features', 40, 32).data)
const numbers = Float32Array.from({ length: 200 }, (_, i) => {
  const added = Math.floor(64 * uniform(`${seed}:targets`, i)) - 32
  return 2 * features[Math.floor(i / outputs) * 32 + (i % outputs)]! + added / 16
})
const images = Float32Array.from(
  Array.from({ length: 12 }, (_, i) => {
    const pixels = picture(`${seed}:tiny${i}`, 16, 20)
    return Array.from({ length: 3 * 16 * 20 }, (_value, j) => pixels[(j % 320) * 3 + Math.floor(j / 320)]! / 255 - 0.5)
  }).flat(),
)

const losses: Readonly<Record<string, { readonly loss: LossKind; readonly targets: Float32Array }>> = {
  bce: { loss: { kind: 'sigmoid' }, targets: labels },
  'bce-pos_weight': { loss: { kind: 'sigmoid', positiveWeights: golden.posWeight }, targets: labels },
  mse: { loss: { kind: 'squared' }, targets: numbers },
  'smooth_l1-beta1': { loss: { kind: 'smooth-l1', beta: 1 }, targets: numbers },
  'smooth_l1-beta0.25': { loss: { kind: 'smooth-l1', beta: 0.25 }, targets: numbers },
}

/** A linear layer on stored features. */
function headNetwork(): Network {
  const nodes = [
    { name: 'features', op: 'input', inputs: [], attributes: { channels: 0, shape: [32] }, parameters: undefined } as const,
    node('linear', 'fc', ['features'], { inFeatures: 32, outFeatures: outputs }),
  ]
  return { ...tinyNetwork([], [1, 1]), nodes, layers: new Map([['fc', 'fc']]), classifier: 'fc', classes: outputs }
}

const conv = { kernel: [3, 3], stride: [1, 1], pad: [1, 1] } as const
const smallNetwork = (): Network => ({
  ...tinyNetwork(
    [
      node('conv', 'c1', ['input'], { outChannels: 8, ...conv }),
      node('relu', 'r1', ['c1'], {}),
      node('maxPool', 'p1', ['r1'], { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: false }),
      node('conv', 'c2', ['p1'], { outChannels: 16, ...conv }),
      node('relu', 'r2', ['c2'], {}),
      node('globalAvgPool', 'mean', ['r2'], {}),
      node('linear', 'fc', ['mean'], { inFeatures: 16, outFeatures: outputs }),
    ],
    [16, 20],
  ),
  classes: outputs,
})

const cases = {
  head: { network: headNetwork(), input: [32], data: features, batch: 8, rows: 40, alpha: 1e-2, rule: 'head' },
  network: { network: smallNetwork(), input: [3, 16, 20], data: images, batch: 4, rows: 12, alpha: 1e-3, rule: 'tiny' },
}

/** Parameters as the rule names them. */
function firstValues(network: Network, rule: string): Map<string, Tensor> {
  const shapes = new Map([...parameterShapes(network)].map(([name, shape]) => [`${rule}/${name}`, shape]))
  return new Map([...chainerWeights(shapes, seed)].map(([name, tensor]) => [name.slice(rule.length + 1), tensor]))
}

describe('targets', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 })
  })
  afterAll(() => engine.close())

  it('repeats the stored inputs', () => {
    expect(differenceFrom(golden.features, features)).toBeLessThan(1e-7)
    expect(differenceFrom(golden.multiLabelTargets, labels)).toBeLessThan(1e-7)
    expect(differenceFrom(golden.regressionTargets, numbers)).toBeLessThan(1e-7)
    expect(differenceFrom(golden.networkInput, images)).toBeLessThan(1e-7)
  })

  const named = (['head', 'network'] as const).flatMap(kind =>
    Object.keys(losses).flatMap(name =>
      [1e-8, 1e-3].flatMap(epsilon => {
        const key = `${name}, chainer, epsilon ${epsilon === 1e-8 ? '1e-08' : '0.001'}`
        return golden[kind][key] === undefined ? [] : [{ kind, name, epsilon, key }]
      }),
    ),
  )
  it.each(named)('$kind: $key', async ({ kind, name, epsilon, key }) => {
    const { network, input, data, batch, rows, alpha, rule } = cases[kind]
    const { loss, targets } = losses[name]!
    const expected = golden[kind][key]!
    const parameters = firstValues(network, rule)
    const shapes = new Map([...parameters].map(([parameter, { shape }]) => [parameter, shape]))
    const trainer = await engine.trainer(network, parameters, { trainable: [...parameters.keys()], loss })
    const optimizer = new Optimizer({ kind: 'adam', alpha, eps: epsilon }, shapes)
    const size = elementCount(input)
    const batchOf = (from: number, to: number) => ({
      images: { shape: [to - from, ...input], data: data.slice(from * size, to * size) },
      labels: new Int32Array(to - from),
      targets: { shape: [to - from, outputs], data: targets.slice(from * outputs, to * outputs) },
    })
    for (const [i, step] of expected.steps.entries()) {
      const from = (i * batch) % rows
      const found = await trainer.gradients(batchOf(from, from + batch))
      expect(Math.abs(found.loss / batch / step.loss - 1)).toBeLessThan(1e-5)
      step.outputsRow0.forEach((value, k) => expect(found.logits.data[k]).toBeCloseTo(value, 4))
      if (i === 0) {
        for (const [parameter, summary] of Object.entries(expected.gradients)) {
          const mean = found.gradients.get(parameter.includes('/') ? parameter : `fc/${parameter}`)!.data.map(value => value / batch)
          expect(differenceFrom(summary, mean), parameter).toBeLessThan(1e-5)
        }
      }
      await optimizer.update(parameters, found.gradients, { samples: batch })
      await trainer.setParameters(parameters)
    }
    for (const [parameter, summary] of Object.entries(expected.parametersAfter)) {
      expect(
        differenceFrom(summary, parameters.get(parameter.includes('/') ? parameter : `fc/${parameter}`)!.data),
        parameter,
      ).toBeLessThan(1e-5)
    }
    const { logits } = await trainer.evaluate(batchOf(0, rows))
    expect(differenceFrom(expected.outputsAfter, logits.data)).toBeLessThan(1e-5)
    await Promise.all([trainer.release(), optimizer.close()])
    if (kind === 'head' && epsilon === 1e-8) expectFigures(golden.metrics[name]!, logits.data, targets)
  })

  it.each(Object.keys(losses))('head on standardised features, folded back: %s', async name => {
    const { network, alpha, rule } = cases.head
    const { loss, targets } = losses[name]!
    const expected = golden.head[`${name}, chainer, epsilon 1e-08, standardised features`]!
    const x = sourceOf(featureSet(seed, 'features', 40, 32))
    const mean = await columnMeans(x)
    const standard = { mean, deviation: await columnDeviations(x, mean) }
    const data = features.map((value, i) => (value - mean[i % 32]!) / standard.deviation[i % 32]!)
    const parameters = firstValues(network, rule)
    const shapes = new Map([...parameters].map(([parameter, { shape }]) => [parameter, shape]))
    const trainer = await engine.trainer(network, parameters, { trainable: [...parameters.keys()], loss })
    const optimizer = new Optimizer({ kind: 'adam', alpha, eps: 1e-8 }, shapes)
    for (let from = 0; from < 40; from += 8) {
      const found = await trainer.gradients({
        images: { shape: [8, 32], data: data.slice(from * 32, (from + 8) * 32) },
        labels: new Int32Array(8),
        targets: { shape: [8, outputs], data: targets.slice(from * outputs, (from + 8) * outputs) },
      })
      await optimizer.update(parameters, found.gradients, { samples: 8 })
      await trainer.setParameters(parameters)
    }
    await Promise.all([trainer.release(), optimizer.close()])
    const [weight, bias] = [parameters.get('fc/W')!, parameters.get('fc/b')!]
    foldStandard(weight, bias, standard)
    expect(differenceFrom(expected.foldedBack!['W']!, weight.data)).toBeLessThan(1e-5)
    expect(differenceFrom(expected.foldedBack!['b']!, bias.data)).toBeLessThan(1e-5)
    foldStandard(weight, bias, standard, true)
    expect(differenceFrom(expected.parametersAfter['W']!, weight.data)).toBeLessThan(1e-5)
  })

  it('counts ties, classes without images and constant targets as scikit-learn does', () => {
    const scores = Float32Array.from({ length: 200 }, (_, i) => Math.floor(16 * uniform(`${seed}:scores`, i)) / 8 - 1)
    const without = labels.map((value, i) => (i % outputs === outputs - 1 ? 0 : value))
    expectFigures(golden.metrics['tied scores, last class without positives']!, scores, without)
    const constant = numbers.map((value, i) => (i % outputs === 0 ? 2 : value))
    const predicted = numbers.map((value, i) => value + Math.floor(16 * uniform(`${seed}:errors`, i)) / 16 - 0.5)
    expectFigures(golden.metrics['constant first target']!, predicted, constant)
  })

  it('gives numbers back that were standardised, by the scores or by the layer', () => {
    const target = { kind: 'regression', loss: 'mse', beta: 1, mean: [10, -2], deviation: [4, 0.5] } as const
    expect(putBack({ shape: [1, 2], data: Float32Array.of(1.5, -1) }, target)).toEqual([[16, -2.5]])
    const [weight, bias] = [
      { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      { shape: [2], data: Float32Array.of(0.5, 1) },
    ]
    foldTargets(weight, bias, target)
    expect([...weight.data, ...bias.data]).toEqual([4, 8, 1.5, 2, 12, -1.5])
    foldTargets(weight, bias, target, true)
    expect([...weight.data, ...bias.data]).toEqual([1, 2, 3, 4, 0.5, 1])
  })
})

const rowsOf = (values: ArrayLike<number>): number[][] =>
  Array.from({ length: values.length / outputs }, (_, row) => Array.from({ length: outputs }, (_value, k) => values[row * outputs + k]!))

function expectFigures(expected: Figures, scores: Float32Array, targets: Float32Array): void {
  const close = (found: number | readonly number[], key: string): void =>
    [found].flat().forEach((value, i) => expect(value, key).toBeCloseTo([expected[key]!].flat()[i]!, 5))
  if ('MAE' in expected) {
    const { mae, r2, perOutput } = regressionMetrics(rowsOf(scores), rowsOf(targets), outputs)
    close(mae, 'MAE')
    close(r2, 'R2 uniform average')
    close(
      perOutput.map(output => output.r2),
      'R2 per output',
    )
    close(
      perOutput.map(output => output.mae),
      'MAE per output',
    )
    return
  }
  const found = multiLabelMetrics(scores, targets, outputs)
  close(
    found.perClass.map(({ averagePrecision }) => averagePrecision),
    'averagePrecision',
  )
  close(found.meanAveragePrecision, 'mAP macro (sklearn)')
  close(
    found.perClass.map(({ f1 }) => f1),
    'F1 at 0.5 per class',
  )
  close(found.macroF1, 'F1 at 0.5 macro')
  close(found.microF1, 'F1 at 0.5 micro')
  close(found.accuracy, 'subset accuracy')
  for (const { f1, bestF1 } of found.perClass) expect(bestF1).toBeGreaterThanOrEqual(f1)
}
