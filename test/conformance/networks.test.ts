/** Every stored layer of every network against what Chainer 7.8.1 and torchvision 0.14.1 compute with the same weights and picture. */
import { readFile } from 'node:fs/promises'
import { openEngine, type Engine } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import { getNetwork, type Network, parameterShapes, type Preparation } from '@layermill/models'
import { goldenSeed, referenceInput, referenceWeights, torchvisionKey } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
  { id: name, file: `values/${name}.json` },
  { id: `${name}.tv`, file: `values/torchvision/${name}.json` },
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

describe('networks against Chainer and torchvision', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  it.each(networks)('$id', async ({ id, file }) => {
    const values = await readValues(file)
    expect(values.seed).toBe(goldenSeed)
    const network = getNetwork(id)
    const { height, width } = values
    expect(differenceFrom(values.prepared, referenceInput(network, storedPreparation(network)).data)).toBeLessThanOrEqual(1e-6)

    const layers = Object.keys(values.layers)
    expect(layers.length).toBeGreaterThanOrEqual(9)
    if (values.availableLayers !== undefined) expect(network.availableLayers).toEqual(values.availableLayers)
    const extractor = await engine.extractor(network, referenceWeights(network), layers, { inputSize: [height, width] })
    const actual = await extractor.run(referenceInput(network))
    await extractor.release()
    expectLayers(actual, values.layers)
  })

  it.each(networks.filter(({ id }) => id.endsWith('.tv')))('parameters of $id are those of torchvision', async ({ id, file }) => {
    const { stateDict } = await readValues(file)
    const network = getNetwork(id)
    const ours = [...parameterShapes(network)].map(([name, shape]) => [torchvisionKey(network.architecture, name), shape])
    const theirs = Object.entries(stateDict!).filter(([key]) => !key.endsWith('.num_batches_tracked'))
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs))
  })
})
