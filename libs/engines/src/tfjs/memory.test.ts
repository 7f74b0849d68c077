import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, it } from 'vitest'
import { node, tinyImages, tinyNetwork, tinyWeights } from '../self-check/operators/tiny.js'
import { selectBackend } from './backend.js'
import { ExtractorHost } from './extractor-host.js'
import { TrainerHost } from './trainer-host.js'

const { nodes, ...network } = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 4, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn', ['conv'], { epsilon: 1e-5, decay: 0.9 }),
    node('maxPool', 'pool', ['bn'], { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true }),
    node('dropout', 'drop', ['pool'], { ratio: 0.5 }),
    node('linear', 'fc', ['drop'], { inFeatures: 64, outFeatures: 3 }),
  ],
  [8, 8],
)
const weights = tinyWeights({ ...network, nodes })
const statistics = ['bn/mean', 'bn/variance']

beforeAll(() => selectBackend(['cpu-portable']))

it('200 batches leave no tensor behind, nor does releasing', () => {
  const before = tf.memory().numTensors
  const extractor = new ExtractorHost({ nodes, weights, ownWeights: false, outputs: ['drop', 'pool', 'fc', 'input'], inputSize: undefined })
  const trainer = new TrainerHost({
    nodes,
    weights,
    inputSize: [8, 8],
    start: undefined,
    losses: [{ node: 'fc', weight: 1 }],
    statistics,
    trainable: [...weights.keys()].filter(name => !statistics.includes(name)),
    batchStatistics: true,
    dropout: true,
    threads: 1,
  })
  const batch = () => ({
    trainer: 0,
    images: tinyImages(2, [8, 8]),
    labels: Int32Array.of(0, 2),
    targets: { shape: [2, 3], data: Float32Array.of(1, 0, 0, 0, 0, 1) },
  })
  const masks = new Map([['drop', { shape: [2, 4, 4, 4], data: new Float32Array(128).fill(2) }]])
  const loaded = tf.memory().numTensors
  expect(loaded).toBeGreaterThan(before)
  for (let i = 0; i < 200; i++) {
    extractor.run(tinyImages(1 + (i % 3), [8, 8]))
    const { tensors } = trainer.gradients({ ...batch(), masks, recycle: [] })
    trainer.setParameters(new Map([['fc/W', tensors[1 + [...weights.keys()].filter(name => !statistics.includes(name)).indexOf('fc/W')]!]]))
    trainer.evaluate(batch())
  }
  // A run that fails leaves nothing either.
  expect(() => extractor.run(tinyImages(1, [9, 12]))).toThrow(/\S/)
  expect(tf.memory().numTensors).toBe(loaded)
  extractor.release()
  trainer.release()
  expect(tf.memory().numTensors).toBe(before)
})
