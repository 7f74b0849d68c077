/** Results of Keras, torchvision and timm on the same files: prepared pictures, and layers of Keras's and timm's seeded networks. */
import { type Engine, openEngine } from '@layermill/engines'
import { getNetwork, type GraphVariant } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectLibrary, prepared, readLibrary, readLibraryJson } from './library-values.js'
import { differenceFrom, type Summary } from './summary.js'

/** Largest difference of a prepared picture, in units of the largest value. */
const tolerance = 1e-6

describe('pictures as the libraries prepare them', async () => {
  const { inputs } = await readLibraryJson<{ inputs: Record<string, Summary> }>('prepared')

  it("are by Keras's means, torchvision's presets and timm's tags", () => {
    const names = Object.keys(inputs).map(name => name.split(' ').slice(1).join(' '))
    expect(new Set(names).size).toBeGreaterThanOrEqual(40)
    for (const name of [
      'resnet50 keras',
      'vgg16 keras',
      'resnet50 torchvision-v2',
      'googlenet torchvision-plain',
      'resnet50 timm:a1_in1k',
      'vgg19 timm:tv_in1k',
    ])
      expect(names).toContain(name)
  })

  it.each(Object.entries(inputs))('%s', async (name, summary) => {
    const [picture, model, prepare] = name.split(' ') as [string, string, string]
    const { shape, data } = await prepared(picture, model, prepare)
    expect(shape).toEqual(summary.shape)
    expect(differenceFrom(summary, data)).toBeLessThanOrEqual(tolerance)
  })
})

describe('networks of Keras', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  /** Variant of the graph that is found on reading Keras's files. The other networks are in networks.test.ts. */
  const variant: GraphVariant = { batchNormEpsilon: 1.001e-5, stemPool: 'padded' }

  it.each(['resnet50', 'resnet101', 'resnet152'])('keras-%s', async id => {
    const { picture, prepare, layers } = await readLibrary(`keras-${id}`)
    const network = getNetwork(id, variant)
    const names = Object.keys(layers)
    expect(names.length).toBeGreaterThanOrEqual(8)
    const input = await prepared(picture, id, prepare)
    const weights = referenceWeights(network)
    // Keras's convolutions have biases, all zero but the stem's in the stored values, as the caffe family has none elsewhere.
    const extractor = await engine.extractor(network, weights, names, { inputSize: [input.shape[2]!, input.shape[3]!] })
    const actual = await extractor.run(input)
    await extractor.release()
    expectLibrary(actual, layers)
  })
})
