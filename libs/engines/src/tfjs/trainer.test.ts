/**
 * The onnx engine's gradients (rules of this project) against TensorFlow.js's autodiff, op by op and through whole networks. Inputs depend
 * on the seed in each test's name alone.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { elementCount, type Tensor } from '@layermill/core'
import {
  fineTunedNetwork,
  type FineTunedNetwork,
  getNetwork,
  inferShapes,
  parameterShapes,
  type GraphNode,
  type Network,
  type Size2,
} from '@layermill/models'
import type { Engine } from '../engine.js'
import { openEngine } from '../open.js'
import { node, numbers, tinyNetwork } from '../self-check/operators/tiny.js'
import type { Gradients, TrainerOptions } from '../trainer.js'

const classes = 4
const batch = 2
/** Largest difference, in units of the gradient's largest value. */
const tolerance = 1e-4

interface Case {
  readonly name: string
  readonly network: Network
  readonly size: Size2
  readonly options?: Partial<TrainerOptions>
  /** Images of few different values: many maxima are equal. */
  readonly ties?: boolean
}

const conv = (name: string, from: string, outChannels: number, kernel: Size2, stride: Size2 = [1, 1], pad: Size2 = [0, 0]): GraphNode =>
  node('conv', name, [from], { outChannels, kernel, stride, pad })

/** A convolution that the gradient must reach, the nodes of the case, and scores. */
function around(middle: readonly GraphNode[], size: Size2): Network {
  const body = [conv('first', 'input', 4, [1, 1]), ...middle]
  const last = body.at(-1)!.name
  const inFeatures = elementCount(inferShapes(tinyNetwork(body, size).nodes, size).get(last)!)
  return tinyNetwork([...body, node('linear', 'scores', [last], { inFeatures, outFeatures: classes })], size)
}

const op = (name: string, middle: readonly GraphNode[], more: Partial<Case> = {}): Case => {
  const { size = [9, 8] } = more
  return { ...more, name, size, network: around(middle, size) }
}

const windows: readonly (readonly [kernel: Size2, stride: Size2, pad: Size2])[] = [
  [
    [1, 1],
    [2, 2],
    [0, 0],
  ],
  [
    [1, 1],
    [2, 1],
    [1, 0],
  ],
  [
    [3, 3],
    [1, 1],
    [1, 1],
  ],
  [
    [3, 3],
    [2, 2],
    [1, 1],
  ],
  [
    [3, 2],
    [2, 3],
    [0, 1],
  ],
  [
    [5, 5],
    [1, 1],
    [2, 2],
  ],
  [
    [7, 7],
    [2, 2],
    [3, 3],
  ],
  [
    [3, 3],
    [1, 1],
    [3, 3],
  ],
]
const pools: readonly (readonly [kernel: Size2, stride: Size2, pad: Size2, ceil: boolean])[] = [
  [[3, 3], [2, 2], [0, 0], true],
  [[3, 3], [1, 1], [1, 1], true],
  [[2, 2], [2, 2], [0, 0], false],
  [[3, 2], [1, 2], [0, 1], true],
  [[5, 4], [2, 2], [2, 1], true],
  [[3, 3], [2, 3], [1, 0], false],
]
const bn = (name: string, from: string): GraphNode => node('batchNorm', name, [from], { epsilon: 1e-3, decay: 0.9 })
const normalised = [conv('conv', 'first', 5, [3, 3], [2, 2], [1, 1]), bn('bn', 'conv'), node('relu', 'relu', ['bn'], {}), bn('bn2', 'relu')]

/** A classifier in the middle besides the one at the end, as GoogLeNet trains with: what is before both learns from both. */
function withAuxiliary(): FineTunedNetwork {
  const base = around(
    [
      conv('shared', 'first', 4, [3, 3]),
      node('linear', 'auxiliary', ['shared'], { inFeatures: 168, outFeatures: classes }),
      conv('later', 'shared', 3, [3, 3]),
    ],
    [9, 8],
  )
  return {
    ...base,
    base,
    head: { layer: 'scores', classes: classes, auxiliary: true },
    classNames: undefined,
    classifiers: ['scores', 'auxiliary'],
    answers: [],
    newNodes: [],
  }
}

const cases: readonly Case[] = [
  ...windows.map(([kernel, stride, pad]) =>
    op(`conv ${kernel.join('x')} / ${stride.join()} pad ${pad.join()}`, [conv('conv', 'first', 5, kernel, stride, pad)]),
  ),
  ...pools.flatMap(([kernel, stride, pad, ceil]) =>
    [false, true].map(ties =>
      op(
        `maxPool ${kernel.join('x')} / ${stride.join()} pad ${pad.join()}${ceil ? ' covering' : ''}${ties ? ', ties' : ''}`,
        [node('maxPool', 'pool', ['first'], { kernel, stride, pad, ceil })],
        { ties },
      ),
    ),
  ),
  ...pools.map(([kernel, stride, pad]) =>
    op(`avgPool ${kernel.join('x')} / ${stride.join()} pad ${pad.join()}`, [node('avgPool', 'pool', ['first'], { kernel, stride, pad })]),
  ),
  op('globalAvgPool, flatten', [node('globalAvgPool', 'mean', ['first'], {}), node('flatten', 'flat', ['mean'], {})]),
  op('adaptiveAvgPool', [node('adaptiveAvgPool', 'parts', ['first'], { size: [4, 3] })]),
  op('lrn', [node('lrn', 'lrn', ['first'], { size: 3, alpha: 0.3, beta: 0.75, k: 1.5 })]),
  op('linear, relu, dropout, softmax', [
    node('linear', 'hidden', ['first'], { inFeatures: 288, outFeatures: 6 }),
    node('relu', 'relu', ['hidden'], {}),
    node('dropout', 'drop', ['relu'], { ratio: 0.5 }),
    node('softmax', 'soft', ['drop'], {}),
  ]),
  op('dropout of a feature map', [node('dropout', 'drop', ['first'], { ratio: 0.5 })]),
  op('concat, add', [
    conv('a', 'first', 4, [1, 1]),
    node('add', 'sum', ['first', 'a'], {}),
    node('concat', 'all', ['a', 'first', 'sum'], {}),
  ]),
  op('batch norm, stored statistics', normalised),
  op('batch norm, batch statistics', normalised, { options: { batchNorm: 'batch' } }),
  op('some parameters only', normalised, { options: { trainable: ['scores/W', 'bn2/beta', 'conv/b'] } }),
  op('from a layer', normalised, { options: { trainable: ['scores/W', 'bn2/gamma'], start: 'relu' } }),
  ...(['frozen', 'batch'] as const).map((batchNorm): Case => ({
    name: `resnet50 up to res2, batch norm ${batchNorm}`,
    network: fineTunedNetwork(getNetwork('resnet50'), { layer: 'res2', classes: classes, inputSize: [17, 17] }),
    size: [17, 17],
    options: { batchNorm },
  })),
  {
    name: 'googlenet up to inception_3a',
    network: fineTunedNetwork(getNetwork('googlenet'), {
      layer: 'inception_3a',
      head: [{ units: 6, dropout: 0.5 }],
      classes: classes,
      inputSize: [21, 21],
    }),
    size: [21, 21],
  },
  { name: 'auxiliary losses', size: [9, 8], network: withAuxiliary() },
  { name: 'auxiliary losses, weighted', size: [9, 8], network: withAuxiliary(), options: { auxiliaryWeight: 0.7 } },
]

/** Scaled by what they sum over, so that values stay about as large as the images'. */
function weightsOf(network: Network, size: Size2, seed: number): Map<string, Tensor> {
  return new Map(
    [...parameterShapes({ nodes: network.nodes, inputSize: size })].map(([name, shape], i): [string, Tensor] => {
      const data = numbers(elementCount(shape), seed + i)
      const positive = /gamma$|var$|variance$/.test(name)
      const scale = shape.length > 1 ? Math.sqrt(6 / elementCount(shape.slice(1))) : 0.1
      return [name, { shape, data: data.map(value => (positive ? 1 + value / 2 : value * scale)) }]
    }),
  )
}

const learnable = (names: Iterable<string>): string[] => [...names].filter(name => !/avg_|mean$|variance$/.test(name))

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(actual.length, what).toBe(expected.length)
  // Some are 0 but for rounding: a bias before batch norm.
  let [largest, worst] = [1e-2, 0]
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!))
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!))
  }
  expect(worst / largest, what).toBeLessThan(tolerance)
}

async function compute(engine: Engine, { network, size, options = {}, ties = false }: Case, seed: number): Promise<Gradients> {
  const weights = weightsOf(network, size, seed)
  const trainer = await engine.trainer(network, weights, { trainable: learnable(weights.keys()), inputSize: size, ...options })
  try {
    const shape = [batch, ...(options.start === undefined ? [3, ...size] : inferShapes(network.nodes, size).get(options.start)!)]
    const images = { shape, data: numbers(elementCount(shape), seed + 100).map(value => (ties ? Math.round(value) : value)) }
    const masks = new Map(
      [...trainer.masks].map(([name, mask]): [string, Tensor] => {
        const full = [batch, ...mask.shape]
        return [name, { shape: full, data: numbers(elementCount(full), seed + 200).map(value => (value < 0 ? 0 : 2)) }]
      }),
    )
    // Rows that sum to different numbers: class weights and label smoothing.
    const targets = { shape: [batch, classes], data: numbers(batch * classes, seed + 300).map(value => value + 1) }
    return await trainer.gradients({ images, labels: Int32Array.of(1, 3), targets, masks })
  } finally {
    await trainer.release()
  }
}

describe('gradients of the onnx engine against TensorFlow.js autodiff', () => {
  let engines: Engine[]
  beforeAll(async () => {
    engines = await Promise.all([openEngine({ threads: 2 }), openEngine({ engine: 'tfjs', device: 'cpu-portable' })])
  })
  afterAll(() => Promise.all(engines.map(engine => engine.close())))

  it.each(cases.map((each, i) => ({ ...each, seed: 1000 + i })))('$name (seed $seed)', async ({ seed, ...each }) => {
    const [onnx, tfjs] = await Promise.all(engines.map(engine => compute(engine, each, seed)))
    expect([...tfjs!.gradients.keys()].toSorted()).toEqual([...onnx!.gradients.keys()].toSorted())
    expect(tfjs!.correct).toBe(onnx!.correct)
    expectClose([tfjs!.loss], [onnx!.loss], 'loss')
    expectClose(tfjs!.logits.data, onnx!.logits.data, 'scores')
    for (const [name, { shape, data }] of onnx!.gradients) {
      expect(tfjs!.gradients.get(name)!.shape, name).toEqual(shape)
      expectClose(tfjs!.gradients.get(name)!.data, data, `gradient of ${name}`)
    }
    expect([...tfjs!.batchNorm.keys()].toSorted()).toEqual([...onnx!.batchNorm.keys()].toSorted())
    for (const [name, { mean, variance }] of onnx!.batchNorm) {
      expectClose(tfjs!.batchNorm.get(name)!.mean, mean, `mean of ${name}`)
      expectClose(tfjs!.batchNorm.get(name)!.variance, variance, `variance of ${name}`)
    }
  })
})
