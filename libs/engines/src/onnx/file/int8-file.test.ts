import { fileURLToPath } from 'node:url'
import { Random, type Tensor } from '@layermill/core'
import { OnnxModel, onnxNetwork, type OnnxNetwork } from '@layermill/onnx'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine } from '../../engine.js'
import { openEngine } from '../../open.js'
import type { Range } from '../int8/parameters.js'
import { ValueComputer } from './compute.js'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine({ device: 'cpu', threads: 1 })
})
afterAll(() => engine.close())

const models = '../../../../../test/conformance/onnx-files/models'
const opened = async (path: string): Promise<OnnxNetwork> =>
  onnxNetwork(await OnnxModel.open(fileURLToPath(new URL(path, import.meta.url))))

function images(network: OnnxNetwork, count: number): Tensor {
  const random = new Random('int8 files')
  const shape = [count, 3, ...network.inputSize]
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.below(1000) / 500 - 1) }
}

async function rangesOf(network: OnnxNetwork, layers: readonly string[]): Promise<Map<string, Range>> {
  await using calibrator = await engine.calibrator(network, new Map(), [layers])
  const values = await calibrator.run(images(network, 4))
  expect([...values.keys()]).toEqual(calibrator.layers)
  const extreme = (data: Float32Array, better: (a: number, b: number) => number): number => data.reduce((a, b) => better(a, b))
  return new Map([...values].map(([name, { data }]): [string, Range] => [name, [extreme(data, Math.min), extreme(data, Math.max)]]))
}

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

// Convolutions with clipping and pooling behind them; products of tokens, a Gemm at the end; a batch of one in the constants; operators
// that are older than those of int8.
it.each([
  [`${models}/tv-resnet18-slim-dynamo.onnx`, ['layer1', 'fc']],
  [`${models}/timm-test-vit-dynamo-fixed.onnx`, ['norm', 'head']],
  [`${models}/hand-opset7-ir3-caffe2-style.onnx`, ['inception/output_1', 'prob_1']],
] as const)('computes %s in int8, each layer whatever others are asked for', async (path, layers) => {
  const network = await opened(path)
  const ranges = await rangesOf(network, layers)
  const batch = images(network, 2)
  const run = async (asked: readonly string[], options: object): Promise<Map<string, Tensor>> => {
    await using extractor = await engine.extractor(network, new Map(), asked, options)
    const found = await extractor.run({ shape: batch.shape, data: batch.data.slice() })
    expect(extractor.batching?.kind).toBe('whole')
    // Once batches are proven, a session takes the images' memory.
    expect(await extractor.run({ shape: batch.shape, data: batch.data.slice() })).toEqual(found)
    return found
  }
  const exact = await run(layers, {})
  const int8 = await run(layers, { ranges })
  for (const layer of layers) {
    const [a, b] = [exact.get(layer)!, int8.get(layer)!]
    expect(b.shape).toEqual(a.shape)
    expect(b.data).not.toEqual(a.data)
    expect(cosine(a.data, b.data), layer).toBeGreaterThan(0.99)
    expect((await run([layer], { ranges })).get(layer), `${layer} alone`).toEqual(b)
  }
  const mixed = await run(layers, { ranges, exactLayers: new Set([layers[1]]) })
  expect(mixed.get(layers[1])).toEqual(exact.get(layers[1]))
  expect([...mixed.keys()]).toEqual(layers)
})

it('refuses a file of which nothing can compute in int8, naming its operators', async () => {
  const network = await opened(`${models}/quantised-resnet-int8-qdq.onnx`)
  await expect(engine.calibrator(network, new Map(), [[network.classifier]])).rejects.toMatchObject({
    code: 'PRECISION_UNAVAILABLE',
    message: expect.stringMatching(/can compute in int8: it is computed by .*DequantizeLinear/) as string,
  })
})

// ONNX Runtime computes such a softmax by a table of its own, and is a step off.
it('gives the numbers of a softmax between quantised values that the file says', async () => {
  const network = await opened('testing/softmax-qdq.onnx')
  const batch = images(network, 1)
  await using extractor = await engine.extractor(network, new Map(), ['y'])
  await using computer = new ValueComputer(1)
  const feeds = new Map([['images', { type: 'float32', dims: batch.shape, data: batch.data.slice() }]])
  const [own] = await computer.compute(network.graph.model, [feeds], ['y'], { unoptimised: true })
  const found = await extractor.run(batch)
  expect([...found.get('y')!.data]).toEqual([...(own!.values.get('y')!.data as Float32Array)])
})

// ONNX Runtime would leave one of the two out, and keep all steps of 3/100.
it('rounds to the coarser steps of two quantisations behind each other', async () => {
  const network = await opened('testing/two-quantisations.onnx')
  const { shape, data } = images(network, 2)
  // In the middle between the thousandths, where no number lies between two steps.
  const values = data.map(value => value + 0.001)
  await using extractor = await engine.extractor(network, new Map(), ['y'])
  const found = await extractor.run({ shape, data: values.slice() })
  const inSteps = Array.from(found.get('y')!.data, value => Math.round(value / 0.03) + 0)
  expect(inSteps).toEqual(Array.from(values, value => Math.round(Math.round(value * 2) / 2 / 0.03) + 0))
  expect(new Set(inSteps)).toEqual(new Set([-33, -17, 0, 17, 33]))
})
