import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Tensor, Random } from '@layermill/core'
import { fineTunedNetwork } from '@layermill/models'
import { OnnxModel, onnxNetwork } from '@layermill/onnx'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine } from '../../engine.js'
import { openEngine } from '../../open.js'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine({ device: 'cpu', threads: 1 })
})
afterAll(() => engine.close())

/** Different images, [count, 3, side, side]. */
function images(count: number, side: number): Tensor {
  const random = new Random('extractor')
  return { shape: [count, 3, side, side], data: Float32Array.from({ length: count * 3 * side * side }, () => random.below(1000) / 500 - 1) }
}

// Written by hand as today's exporter writes windows of tokens, heads of unknown width and a pooling of channels-last maps.
it('takes a batch of one out of windows, open sizes and flattened places', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/windows-dynamo.onnx', import.meta.url))))
  const found: string[] = []
  await using extractor = await engine.extractor(network, new Map(), ['transpose', 'y'], {
    onBatching: ({ kind, reason }) => found.push(`${kind}: ${reason ?? ''}`),
  })
  const three = images(3, 8)
  const together = await extractor.run({ ...three, data: three.data.slice() })
  expect(found).toEqual([expect.stringMatching(/^whole: the file's constants hold a batch of one/)])
  expect(together.get('transpose')!.shape).toEqual([3, 4, 2, 4, 2])
  const size = three.data.length / 3
  for (const i of [0, 1, 2]) {
    const alone = await extractor.run({ shape: [1, 3, 8, 8], data: three.data.slice(i * size, (i + 1) * size) })
    const row = together.get('y')!.data.subarray(16 * i, 16 * i + 16)
    row.forEach((value, k) => expect(value).toBeCloseTo(alone.get('y')!.data[k]!, 5))
  }
  expect([...together.get('y')!.data.subarray(0, 16)]).not.toEqual([...together.get('y')!.data.subarray(16, 32)])
})

it('takes the buffer of a batch once batches are proven, and none that holds more than the batch', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/windows-dynamo.onnx', import.meta.url))))
  await using extractor = await engine.extractor(network, new Map(), ['y'])
  const three = images(3, 8)
  const proven = (await extractor.run({ shape: three.shape, data: three.data.slice() })).get('y')!
  const part = three.data.subarray(0, three.data.length)
  const larger = new Float32Array(three.data.length + 1)
  larger.set(part)
  const inside = (await extractor.run({ shape: three.shape, data: larger.subarray(0, part.length) })).get('y')!
  expect(larger.length).toBe(part.length + 1)
  const taken = (await extractor.run(three)).get('y')!
  expect(three.data.length).toBe(0)
  expect(inside.data).toEqual(proven.data)
  expect(taken.data).toEqual(proven.data)
})

it('refuses layers that need another input before anything is computed, and takes those that do not', async () => {
  const models = '../../../../../test/conformance/onnx-files/models/hand-two-inputs-one-optional-opset17.onnx'
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL(models, import.meta.url))))
  expect(() => network.graph.shape('logits', [32, 32])).toThrow(
    expect.objectContaining({
      code: 'ONNX_UNSUPPORTED',
      message: expect.stringMatching(/logits needs the input mask beside the images/) as string,
    }),
  )
  await using extractor = await engine.extractor(network, new Map(), ['normed'])
  expect((await extractor.run(images(2, 32))).get('normed')!.shape).toEqual([2, ...network.graph.shape('normed', [32, 32])])
})

const patches = fileURLToPath(new URL('testing/patches.onnx', import.meta.url))

// A shape whose first size is open though its rows are four for each image; tokens before images, windows beside a mask of one image's.
// Maps brought to a size.
it.each([
  ['patches', ['y', 'attn']],
  ['rows', ['z', 'scores']],
  ['resized', ['nearest', 'linear', 'y']],
] as const)('gives for three images of %s what the file as it is gives for each', async (file, layers) => {
  const path = fileURLToPath(new URL(`testing/${file}.onnx`, import.meta.url))
  const network = onnxNetwork(await OnnxModel.open(path))
  const three = images(3, 8)
  await using extractor = await engine.extractor(network, new Map(), layers)
  const together = await extractor.run({ ...three, data: three.data.slice() })
  expect(extractor.batching).toMatchObject({ kind: 'whole', reason: expect.stringContaining('batch of one') as string })
  await using own = await engine.extractor(network, new Map(), layers)
  for (const i of [0, 1, 2]) {
    const alone = await own.run({ shape: [1, 3, 8, 8], data: three.data.slice(192 * i, 192 * i + 192) })
    for (const layer of layers) {
      const { shape, data } = alone.get(layer)!
      expect(together.get(layer)!.shape).toEqual([3, ...shape.slice(1)])
      const row = together.get(layer)!.data.subarray(data.length * i, data.length * (i + 1))
      row.forEach((value, k) => expect(value).toBeCloseTo(data[k]!, 5))
    }
  }
})

it('knows sizes behind a padding that is computed, a stem that ends with a folded convolution, and a module that is never called', async () => {
  const model = await OnnxModel.open(patches)
  expect(model.shapeOf('/stem/stem.0/Conv_output_0').dims).toEqual([1, 4, 4, 4])
  expect(model.resolve(['stem'])[0]).toMatchObject({
    value: '/stem/stem.0/Conv_output_0',
    remark: 'the value after the normalisation that was folded into its last convolution, stem.0',
  })
  expect(() => model.resolve(['attn.proj'])).toThrow(/has no value of 'attn.proj': it is never called, attn uses its weights itself/)
})

it('takes the value after the normalisation outside of a stem, into which the last convolution of the stem was folded', async () => {
  const stem = '../../../../../test/conformance/onnx-files/models/timm-test-resnet-dynamo-batch.onnx'
  const model = await OnnxModel.open(fileURLToPath(new URL(stem, import.meta.url)))
  expect(model.resolve(['conv1', 'conv1.5'])).toEqual([
    { name: 'conv1', value: 'getitem_6', remark: 'the value after bn1, which was folded into its last convolution, conv1.6' },
    { name: 'conv1.5', value: 'relu_1' },
  ])
})

// ONNX Runtime joins a padding with zeros to the maximum behind it, and then pads with nothing.
it('pads negative numbers with zeros before a maximum is taken', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/padded-pool.onnx', import.meta.url))))
  await using extractor = await engine.extractor(network, new Map(), ['y'])
  const pooled = await extractor.run({ shape: [1, 3, 2, 2], data: new Float32Array(12).fill(-1) })
  expect([...pooled.get('y')!.data.subarray(0, 4)].map(Math.round).map(Math.abs)).toEqual([1, 0, 0, 0])
})

it('computes images of a file that takes two at a time as a batch of any number', async () => {
  const model = await OnnxModel.open(fileURLToPath(new URL('testing/pairs.onnx', import.meta.url)))
  expect(model.shapeOf('joined').dims).toEqual([1, 5, 4])
  const network = onnxNetwork(model)
  const three = images(3, 8)
  await using extractor = await engine.extractor(network, new Map(), ['joined', 'y'])
  const together = await extractor.run({ ...three, data: three.data.slice() })
  expect(extractor.batching).toMatchObject({ kind: 'whole', reason: expect.stringContaining('batch of 2') as string })
  expect(together.get('joined')!.shape).toEqual([3, 5, 4])
  await using own = await engine.extractor(network, new Map(), ['joined', 'y'])
  for (const i of [0, 1, 2]) {
    const alone = await own.run({ shape: [1, 3, 8, 8], data: three.data.slice(192 * i, 192 * i + 192) })
    alone.get('y')!.data.forEach((value, k) => expect(together.get('y')!.data[3 * i + k]).toBeCloseTo(value, 5))
    // The row of the constant, which is the same for both images of the file.
    expect(together.get('joined')!.data.subarray(20 * i, 20 * i + 4)).toEqual(together.get('joined')!.data.subarray(0, 4))
  }
})

it('runs images one at a time where a file of two takes their mean, each beside a copy of itself', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/pairs.onnx', import.meta.url))))
  await using extractor = await engine.extractor(network, new Map(), ['apart'])
  const apart = (await extractor.run(images(3, 8))).get('apart')!
  expect(extractor.batching).toMatchObject({ kind: 'single' })
  expect(apart.shape).toEqual([3, 4, 2, 2])
  apart.data.forEach(value => expect(value).toBeCloseTo(0, 5))
})

it('runs a function of the file that a branch calls', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/branches.onnx', import.meta.url))))
  await using extractor = await engine.extractor(network, new Map(), ['conv', 'chosen', 'y'], { inputSize: [8, 8] })
  const found = await extractor.run(images(1, 8))
  const twice = found.get('conv')!.data.map(value => Math.max(0, 2 * value))
  expect(found.get('chosen')!.data).toEqual(twice)
  expect(found.get('y')!.data).toEqual(twice.map(value => 2 * value))
})

// A constant of two rows beside a maximum is none that is repaired; two images would pass.
it('holds a file for two images against one alone, so that the last part of a run is right', async () => {
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/pairs.onnx', import.meta.url))))
  await using extractor = await engine.extractor(network, new Map(), ['above', 'conv'])
  const three = images(3, 8)
  await extractor.run({ shape: [2, 3, 8, 8], data: three.data.slice(0, 2 * 192) })
  expect(extractor.batching).toMatchObject({ kind: 'single' })
  const layers = await extractor.run(three)
  expect(layers.get('above')!.shape).toEqual([3, 4, 2, 2])
  layers.get('above')!.data.forEach((value, k) => expect(value).toBe(Math.max(-0.5, layers.get('conv')!.data[k]!)))
})

interface Turned {
  readonly images: readonly number[]
  readonly values: Readonly<Record<string, readonly number[]>>
}

// Shapes of one image; two lie beside each other in the file's values.
it.each([
  ['turned', [8, 4]],
  ['joined', [8, 4]],
  ['product', [8, 4]],
  ['parted', [8, 4]],
  ['front', [4, 8]],
  ['split', [2, 2, 2, 2, 2]],
  ['value:mean', [2, 2, 2, 2, 2]],
  ['y', [3]],
] as const)("gives onnxruntime's numbers of %s, wherever the images are in it", async (layer, shape) => {
  const file = new URL('testing/turned.json', import.meta.url)
  const golden = JSON.parse(await readFile(file, 'utf8')) as Turned
  const network = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/turned.onnx', import.meta.url))))
  expect(network.graph.shape(layer, [8, 4])).toEqual(shape)
  await using extractor = await engine.extractor(network, new Map(), [layer])
  const three = { shape: [3, 3, 8, 4], data: Float32Array.from(golden.images) }
  const [together] = (await extractor.run({ ...three, data: three.data.slice() })).values()
  expect(extractor.batching).toMatchObject({ kind: 'whole', reason: expect.stringContaining('batch of 2') as string })
  const expected = golden.values[layer.replace('value:', '')]!
  expect(together!.shape).toEqual([3, ...shape])
  together!.data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5))
  // One image, before anything is known of batches.
  await using own = await engine.extractor(network, new Map(), [layer])
  const [alone] = (await own.run({ shape: [1, 3, 8, 4], data: three.data.slice(0, 96) })).values()
  expect(alone!.shape).toEqual([1, ...shape])
  alone!.data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5))
})

it('puts a head on a value whose images are in its second dimension, and on none that has others between them', async () => {
  const base = onnxNetwork(await OnnxModel.open(fileURLToPath(new URL('testing/turned.onnx', import.meta.url))))
  const { images: numbers } = JSON.parse(await readFile(new URL('testing/turned.json', import.meta.url), 'utf8')) as Turned
  const batch = { images: { shape: [3, 3, 8, 4], data: Float32Array.from(numbers) }, labels: Int32Array.from([0, 1, 0]) }
  const head = { shape: [2, 32], data: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)) }
  const scores = async (layer: string): Promise<readonly number[]> => {
    const network = fineTunedNetwork(base, { layer, classes: 2 })
    const tensors = new Map([
      ['fc/W', head],
      ['fc/b', { shape: [2], data: new Float32Array(2) }],
    ])
    const trainer = await engine.trainer(network, tensors, { trainable: ['fc/W', 'weight'] })
    try {
      return [...(await trainer.gradients(batch)).logits.data]
    } finally {
      await trainer.release()
    }
  }
  await using extractor = await engine.extractor(base, new Map(), ['parted'])
  const rows = (await extractor.run({ ...batch.images, data: batch.images.data.slice() })).get('parted')!.data
  const expected = [0, 1, 2].flatMap(i =>
    [0, 1].map(k => rows.subarray(32 * i, 32 * i + 32).reduce((sum, value, at) => sum + value * head.data[32 * k + at]!, 0)),
  )
  ;(await scores('parted')).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
  await expect(scores('product')).rejects.toMatchObject({
    code: 'ONNX_UNSUPPORTED',
    message: expect.stringMatching(/lie between/) as string,
  })
})
