/** Within one kind of CPU the results of every network are the same bits at any batch size and number of threads. */
import { type Engine, openEngine } from '@layermill/engines'
import type { Tensor, TensorMap } from '@layermill/core'
import { layerKinds } from '@layermill/engines/testing'
import { getNetwork, networkIds, parameterShapes, pruneNodes, resolveLayers, type Size2 } from '@layermill/models'
import { chainerWeights, picture, referenceWeights } from '@layermill/weights'
import { afterAll, beforeAll, expect, it } from 'vitest'

/** Images of a batch; each is computed in batches of one as well. */
const batches = [1, 3, 8]
const most = Math.max(...batches)

/** Networks whose layers are those of all: the deeper ones repeat them. `LAYERMILL_CAMPAIGN=1` computes every network. */
const shallow = ['vgg16', 'vgg16.tv', 'resnet50', 'resnet50.tv', 'googlenet', 'googlenet.tv']
const computed = networkIds.filter(id => process.env['LAYERMILL_CAMPAIGN'] === '1' || shallow.includes(id))

let engines: Engine[] = []
beforeAll(async () => {
  engines = await Promise.all([openEngine({ threads: 1 }), openEngine({ threads: 2 })])
})
afterAll(async () => {
  await Promise.all(engines.map(engine => engine.close()))
})

/** Small pictures; what is behind a layer of fixed size is left out, or the picture is as large as that needs. */
function setting(id: string): { size: Size2; layers: string[]; weights: () => TensorMap } {
  const network = getNetwork(id)
  // The linear layers of the four VGGs are alike: one of them has them here, all of them take half a gigabyte each.
  if (id.startsWith('vgg') && id !== 'vgg16.tv') {
    const shapes = [...parameterShapes(network)].filter(([name]) => name.startsWith('conv'))
    return { size: [32, 32], layers: ['conv1_1', 'conv3_1', 'pool5'], weights: () => chainerWeights(new Map(shapes)) }
  }
  const layers = [network.defaultLayer, network.classifier, network.probabilities]
  if (id.startsWith('googlenet'))
    return { size: [224, 224], layers: ['conv2', 'inception_3a', ...layers], weights: () => referenceWeights(network) }
  const inner = id === 'vgg16.tv' ? ['conv1_1', 'fc6'] : ['conv1', 'res3', 'res5']
  return { size: [32, 32], layers: [...inner, ...layers], weights: () => referenceWeights(network) }
}

/** All images, one after the other. */
function allImages([height, width]: Size2): Float32Array {
  const data = new Float32Array(most * 3 * height * width)
  for (let n = 0; n < most; n++)
    data.set(
      Float32Array.from(picture(`same-bits:${n}`, height, width), value => value / 128 - 1),
      n * 3 * height * width,
    )
  return data
}

/** A copy of some: what is given to an engine is gone afterwards. */
function some(all: Float32Array, first: number, count: number, [height, width]: Size2): Tensor {
  const image = 3 * height * width
  return { shape: [count, 3, height, width], data: all.slice(first * image, (first + count) * image) }
}

const bytesOf = ({ data }: Tensor, from: number, to: number, of: number): Buffer => {
  const row = data.length / of
  return Buffer.from(data.buffer, data.byteOffset + from * row * 4, (to - from) * row * 4)
}

it('every kind of layer is in a network that is computed', () => {
  const kinds = (ids: readonly string[]): string[] =>
    ids.flatMap(id => {
      const network = getNetwork(id)
      const { size, layers } = setting(id)
      return [...layerKinds(pruneNodes(network.nodes, resolveLayers(network, layers)), size)]
    })
  expect(new Set(kinds(computed))).toEqual(new Set(kinds(networkIds)))
})

it.each(computed)('%s', async id => {
  const { size, layers, weights: made } = setting(id)
  const weights = made()
  const all = allImages(size)
  let expected: Map<string, Buffer[]> | undefined
  for (const engine of engines) {
    const extractor = await engine.extractor(getNetwork(id), weights, layers, { inputSize: size })
    if (expected === undefined) {
      expected = new Map(layers.map(layer => [layer, []]))
      for (let n = 0; n < most; n++)
        for (const [layer, tensor] of await extractor.run(some(all, n, 1, size)))
          expected.get(layer)!.push(Buffer.from(bytesOf(tensor, 0, 1, 1)))
      // Pictures that differ, or nothing would be shown by results that do not.
      for (const rows of expected.values()) expect(rows[0]!.equals(rows[1]!)).toBe(false)
    }
    for (const count of batches) {
      for (const [layer, tensor] of await extractor.run(some(all, 0, count, size))) {
        for (let n = 0; n < count; n++)
          expect(bytesOf(tensor, n, n + 1, count).equals(expected.get(layer)![n]!), `${layer} of image ${n} of ${count}`).toBe(true)
      }
    }
    await extractor.release()
  }
})

it('a ReLU asked for together with what it is of has the bits that each has alone', async () => {
  const id = 'vgg16'
  const layers = ['conv1_1/conv', 'conv1_1', 'conv1_2', 'conv1_2/conv', 'pool1']
  const network = getNetwork(id)
  const size = [32, 32] as const
  const weights = setting(id).weights()
  const [engine] = engines
  const of = async (asked: readonly string[]): Promise<Map<string, Buffer>> => {
    await using extractor = await engine!.extractor(network, weights, asked, { inputSize: size })
    const results = await extractor.run(some(allImages(size), 0, 2, size))
    return new Map([...results].map(([layer, tensor]) => [layer, bytesOf(tensor, 0, 1, 1)]))
  }
  const together = await of(layers)
  for (const layer of layers) expect((await of([layer])).get(layer)!.equals(together.get(layer)!), layer).toBe(true)
})
