import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine, Extractor } from '../engine.js'
import { OnnxModel, onnxNetwork } from '@layermill/onnx'
import { fileURLToPath } from 'node:url'
import { openEngine } from '../open.js'
import { selfCheckFile } from './self-check-file.js'
import { selfCheck } from './self-check.js'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine()
})
afterAll(() => engine.close())

it.each(['googlenet', 'googlenet.tv', 'resnet50'])('%s agrees with the stored values', async id => {
  const { maxAbs, cosine } = await selfCheck(engine, id)
  expect(maxAbs).toBeLessThan(1e-4)
  expect(cosine).toBeGreaterThan(0.999999)
})

/** An engine whose values are off by a factor where as many layers are asked for. */
const off = (factor: number, asked = 1): Engine => ({
  ...engine,
  name: engine.name,
  device: engine.device,
  extractor: async (network, weights, layers): Promise<Extractor> => {
    const extractor = await engine.extractor(network, weights, layers)
    const by = layers.length === asked ? factor : 1
    return {
      layers: extractor.layers,
      release: () => extractor.release(),
      [Symbol.asyncDispose]: () => extractor.release(),
      run: async images =>
        new Map(
          [...(await extractor.run(images))].map(([layer, { shape, data }]) => [layer, { shape, data: data.map(value => value * by) }]),
        ),
    }
  },
})

it('stops an engine that computes something else, and is less strict with float16', async () => {
  await expect(selfCheck(off(1.005), 'googlenet')).rejects.toMatchObject({ code: 'SELF_CHECK' })
  expect((await selfCheck(off(1.005), 'googlenet', { float16: true })).maxAbs).toBeGreaterThan(1e-3)
  await expect(selfCheck(off(1.02), 'googlenet', { float16: true })).rejects.toThrow(/more than 0\.01/)
})

it('holds an ONNX file against itself: the cut graph against the whole', async () => {
  const model = new URL('../../../../test/conformance/onnx-files/models/tv-mobilenet-v3-slim-torchscript-hw.onnx', import.meta.url)
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(model)))
  const { layer, maxAbs, cosine } = await selfCheckFile(engine, network, ['features.1', 'features.2'], [64, 64])
  expect(['features.1', 'features.2']).toContain(layer)
  expect(maxAbs).toBeLessThan(1e-5)
  expect(cosine).toBeGreaterThan(0.999999)
  await expect(selfCheckFile(off(1.005, 2), network, ['features.1', 'features.2'], [64, 64])).rejects.toMatchObject({
    code: 'SELF_CHECK',
    message: expect.stringMatching(/of the graph that is cut behind it differs .*5\.0e-3/) as string,
  })
})
