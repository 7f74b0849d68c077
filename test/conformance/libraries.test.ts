/** Results of Keras, torchvision and timm on the same files: prepared pictures, and layers of Keras's and timm's seeded networks. */
import { readFile } from 'node:fs/promises'
import { type Engine, openEngine } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import { getNetwork, type GraphVariant, namedPreparation } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'
import { prepareImage } from '@layermill/preprocess'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differenceFrom, type Summary } from './summary.js'

interface Values {
  readonly picture: string
  readonly prepare: string
  readonly layers: Readonly<Record<string, Summary>>
}

/** Largest difference from the stored values, in units of the largest value. */
const tolerance = { prepared: 1e-6, layers: 1e-5 }

const readJson = async <T>(path: string): Promise<T> =>
  JSON.parse(await readFile(new URL(`libraries/${path}.json`, import.meta.url), 'utf8')) as T

/** A file prepared by the name of a preparation, for the network's usual size or that of the preparation. */
async function prepared(picture: string, model: string, prepare: string): Promise<Tensor> {
  const { preparation, inputSize } = namedPreparation(prepare, getNetwork(model))
  const { tensor, inputHeight, inputWidth } = await prepareImage(
    await readFile(new URL(`prepare/images/${picture}`, import.meta.url)),
    preparation,
    { size: inputSize },
  )
  return { shape: [1, 3, inputHeight, inputWidth], data: tensor }
}

describe('pictures as the libraries prepare them', async () => {
  const { inputs } = await readJson<{ inputs: Record<string, Summary> }>('prepared')

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
    expect(differenceFrom(summary, data)).toBeLessThanOrEqual(tolerance.prepared)
  })
})

describe('networks of Keras and timm', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  /** Variant of the graph that is found on reading Keras's files. */
  const kerasResnet: GraphVariant = { batchNormEpsilon: 1.001e-5, stemPool: 'padded' }
  const architectures = ['vgg16', 'vgg19', 'resnet50', 'resnet101', 'resnet152'] as const
  const networks = architectures.flatMap(name => [
    { file: `keras-${name}`, id: name, variant: name.startsWith('resnet') ? kerasResnet : {} },
    { file: `timm-${name}`, id: `${name}.tv`, variant: {} },
  ])

  it.each(networks)('$file', async ({ file, id, variant }) => {
    const { picture, prepare, layers } = await readJson<Values>(file)
    const network = getNetwork(id, variant)
    const names = Object.keys(layers)
    expect(names.length).toBeGreaterThanOrEqual(8)
    const input = await prepared(picture, id, prepare)
    const weights = referenceWeights(network)
    // Keras's convolutions have biases, all zero but the stem's in the stored values, as the caffe family has none elsewhere.
    const extractor = await engine.extractor(network, weights, names, { inputSize: [input.shape[2]!, input.shape[3]!] })
    const actual = await extractor.run(input)
    await extractor.release()
    const differences = names.map(name => [name, differenceFrom(layers[name]!, actual.get(name)!.data)] as const)
    for (const name of names) expect(actual.get(name)!.shape, name).toEqual(layers[name]!.shape)
    for (const [name, difference] of differences) expect(difference, `largest difference of ${name}`).toBeLessThanOrEqual(tolerance.layers)
  })
})
