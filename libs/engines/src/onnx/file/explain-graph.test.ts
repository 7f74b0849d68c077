import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tensor } from '@layermill/core'
import { OnnxModel, onnxNetwork } from '@layermill/onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../engine.js'
import type { Explanation } from '../../explainer.js'
import { openEngine } from '../../open.js'
import { node, tinyImages, tinyNetwork, tinyWeights } from '../../testing/index.js'
import { exportOnnx } from '../export.js'

const network = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 6, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn', ['conv'], { epsilon: 1e-3, decay: 0.9 }),
    node('relu', 'relu', ['bn'], {}),
    node('maxPool', 'pool', ['relu'], { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: true }),
    node('conv', 'side', ['pool'], { outChannels: 6, kernel: [1, 1], stride: [1, 1], pad: [0, 0] }),
    node('add', 'sum', ['pool', 'side'], {}),
    node('linear', 'scores', ['sum'], { inFeatures: 96, outFeatures: 10 }),
  ],
  [8, 8],
)
const weights = tinyWeights(network)
const layers = ['relu', 'pool', 'sum']
const images = (): Tensor => tinyImages(2, [8, 8])

let engine: Engine
let folder: string
beforeAll(async () => {
  engine = await openEngine()
  folder = await mkdtemp(join(tmpdir(), 'layermill-explain-'))
})
afterAll(async () => {
  await engine.close()
  await rm(folder, { recursive: true, force: true })
})

function expectSame(found: Tensor, expected: Tensor, what: string): void {
  expect(found.shape, what).toEqual(expected.shape)
  const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest, what).toBeGreaterThan(0)
  const drift = expected.data.reduce((most, value, i) => Math.max(most, Math.abs(value - found.data[i]!)), 0)
  expect(drift / largest, what).toBeLessThan(1e-5)
}

describe('explanations of a file', () => {
  it.each([undefined, Int32Array.of(3, 7)])('are those of the network that it was made of, classes %j', async classes => {
    const path = join(folder, 'tiny.onnx')
    const { model, outputs } = exportOnnx(network, weights, [...layers, 'scores'], { inputSize: [8, 8] })
    await writeFile(path, model)
    const file = onnxNetwork(await OnnxModel.open(path), { inputSize: [8, 8] })
    const named = { ...file, classifier: outputs.get('scores')!, classes: 10 }
    const explain = async (target: typeof network, names: readonly string[]): Promise<Explanation> => {
      const explainer = await engine.explainer(target, weights, { layers: names })
      const explanation = await explainer.explain(images(), classes)
      await explainer.release()
      return explanation
    }
    const theirs = await explain(network, layers)
    const ours = await explain(
      named,
      layers.map(layer => outputs.get(layer)!),
    )
    expectSame(ours.scores, theirs.scores, 'scores')
    expectSame(ours.inputGradient, theirs.inputGradient, 'images')
    for (const layer of layers) {
      expectSame(ours.values.get(outputs.get(layer)!)!, theirs.values.get(layer)!, layer)
      expectSame(ours.gradients.get(outputs.get(layer)!)!, theirs.gradients.get(layer)!, `gradient of ${layer}`)
    }
  })
})
