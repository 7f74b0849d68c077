/**
 * Every stored layer of every network against what Chainer 7.8.1 and torchvision 0.14.1 compute with the same weights and picture, and with
 * the same weights and a photograph against Keras and timm.
 */
import { readFile } from 'node:fs/promises'
import { openEngine, type Engine, type Extractor } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import { getNetwork, type Network, parameterShapes, type Preparation } from '@layermill/models'
import { goldenSeed, referenceInput, referenceWeights, torchvisionKey } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectLibrary, prepared, readLibrary } from './library-values.js'
import { differenceFrom, type Summary } from './summary.js'

interface Values {
  readonly seed: string
  readonly height: number
  readonly width: number
  readonly availableLayers?: readonly string[]
  /** torchvision's keys and shapes. */
  readonly stateDict?: Readonly<Record<string, readonly number[]>>
  readonly prepared: Summary
  readonly layers: Readonly<Record<string, Summary>>
}

/** Largest difference from the stored values, in units of the layer's largest value. */
const tolerance = 1e-4

const architectures = ['vgg16', 'vgg19', 'resnet50', 'resnet101', 'resnet152', 'googlenet'] as const
const networks = architectures.flatMap(name => [
  // Keras's ResNets are another graph: libraries.test.ts has them.
  { id: name, file: `values/${name}.json`, library: name.startsWith('vgg') ? `keras-${name}` : undefined },
  { id: `${name}.tv`, file: `values/torchvision/${name}.json`, library: name === 'googlenet' ? undefined : `timm-${name}` },
])

async function readValues(file: string): Promise<Values> {
  return JSON.parse(await readFile(new URL(file, import.meta.url), 'utf8')) as Values
}

/** Preparation of the stored picture: torchvision's GoogLeNet rescales to [-1, 1] inside the model, after the picture was stored. */
function storedPreparation({ id, preparation }: Network): Preparation {
  return id === 'googlenet.tv' ? getNetwork('resnet50.tv').preparation : preparation
}

function expectLayers(actual: ReadonlyMap<string, Tensor>, expected: Readonly<Record<string, Summary>>): void {
  for (const [layer, summary] of Object.entries(expected)) {
    const tensor = actual.get(layer)!
    expect(tensor.shape, layer).toEqual(summary.shape)
    expect(summary.samples.length, layer).toBeGreaterThan(0)
    expect(differenceFrom(summary, tensor.data), `largest difference of ${layer}`).toBeLessThanOrEqual(tolerance)
  }
}

/** Sums of a VGG before their ReLU, two of them. */
const beforeReLU = ({ architecture }: Network): string[] => (architecture.startsWith('vgg') ? ['conv5_3/conv', 'fc7/linear'] : [])

describe('networks against Chainer and torchvision', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  describe.each(networks)('$id', ({ id, file, library }) => {
    const network = getNetwork(id)
    let extractor: Extractor
    // One session for all values: the weights of a VGG take longer to make and to load than all the rest.
    beforeAll(async () => {
      const { height, width, layers } = await readValues(file)
      const others = library === undefined ? {} : (await readLibrary(library)).layers
      const wanted = [...new Set([...Object.keys(layers), ...Object.keys(others), ...beforeReLU(network)])]
      extractor = await engine.extractor(network, referenceWeights(network), wanted, { inputSize: [height, width] })
    })
    afterAll(() => extractor?.release())

    it(id.endsWith('.tv') ? 'is torchvision' : 'is Chainer', async () => {
      const values = await readValues(file)
      expect(values.seed).toBe(goldenSeed)
      expect(differenceFrom(values.prepared, referenceInput(network, storedPreparation(network)).data)).toBeLessThanOrEqual(1e-6)
      expect(Object.keys(values.layers).length).toBeGreaterThanOrEqual(9)
      if (values.availableLayers !== undefined) expect(network.availableLayers).toEqual(values.availableLayers)
      const actual = await extractor.run(referenceInput(network))
      expectLayers(actual, values.layers)
      for (const finer of beforeReLU(network)) {
        const [sum, behind] = [actual.get(finer)!, actual.get(finer.split('/')[0]!)!]
        expect(sum.shape).toEqual(behind.shape)
        expect(
          sum.data.some(value => value < 0),
          finer,
        ).toBe(true)
        // To rounding: the runtime computes a convolution with its ReLU by other code than one without.
        const largest = behind.data.reduce((most, value) => Math.max(most, value), 0)
        const apart = sum.data.reduce((most, value, i) => Math.max(most, Math.abs(Math.max(0, value) - behind.data[i]!)), 0)
        expect(apart / largest, finer).toBeLessThanOrEqual(1e-5)
      }
    })

    if (library === undefined) return
    it(`is ${library}`, async () => {
      const { picture, prepare, layers } = await readLibrary(library)
      expectLibrary(await extractor.run(await prepared(picture, id, prepare)), layers)
    })
  })

  it.each(networks.filter(({ id }) => id.endsWith('.tv')))('parameters of $id are those of torchvision', async ({ id, file }) => {
    const { stateDict } = await readValues(file)
    const network = getNetwork(id)
    const ours = [...parameterShapes(network)].map(([name, shape]) => [torchvisionKey(network.architecture, name), shape])
    const theirs = Object.entries(stateDict!).filter(([key]) => !key.endsWith('.num_batches_tracked'))
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs))
  })
})
