import { getNetwork } from '@layermill/models'
import { referenceInput, referenceWeights } from '@layermill/weights'
import * as ort from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { openEngine } from '../open.js'
import { exportOnnx } from './export.js'

it('gives a model that plain ONNX Runtime runs with the engine’s own numbers', async () => {
  const network = getNetwork('googlenet')
  const weights = referenceWeights(network)
  const { model, input, outputs } = exportOnnx(network, weights, ['pool5', 'prob'])
  const session = await ort.InferenceSession.create(model)
  const images = referenceInput(network)
  const results = await session.run({ [input]: new ort.Tensor('float32', images.data, images.shape) })
  await session.release()

  const engine = await openEngine()
  const extractor = await engine.extractor(network, weights, ['pool5', 'prob'])
  const ours = await extractor.run(referenceInput(network))
  await engine.close()
  for (const layer of ['pool5', 'prob']) {
    const theirs = results[outputs.get(layer)!]!.data as Float32Array
    const largest = ours.get(layer)!.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const drift = ours.get(layer)!.data.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0)
    expect(drift / largest).toBeLessThan(1e-6)
  }
})
