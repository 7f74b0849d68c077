/**
 * The published networks, through all of their convolutions, against ONNX Runtime on the CPU, which test/conformance holds against what
 * Chainer and torchvision compute.
 */
import type { Tensor } from '@layermill/core'
import { getNetwork, type GraphNode, inferShapes, type Network, pruneNodes, resolveLayers, type Size2 } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine } from '../engine.js'
import { openEngine } from '../open.js'

/** 32x32 images are the smallest that reach the end. */
const side = 32
/** Every network and the layer it is computed to. */
const networks = [
  ['vgg16', 'pool5'],
  ['vgg19', 'pool5'],
  ['resnet50', 'fc6'],
  ['resnet101', 'fc6'],
  ['resnet152', 'fc6'],
  ['googlenet', 'inception_5b'],
  ['resnet50.tv', 'fc6'],
  ['googlenet.tv', 'loss3_fc'],
] as const
/** Networks whose layers are those of all: the deeper ones repeat them. `LAYERMILL_CAMPAIGN=1` computes every network. */
const shallow: readonly string[] = ['vgg16', 'resnet50', 'googlenet', 'resnet50.tv', 'googlenet.tv']
const everything = process.env['LAYERMILL_CAMPAIGN'] === '1' || process.env['LAYERMILL_TEST_DEVICES'] !== undefined

/** All that a kernel sees of a network's layers but the values: op, attributes, shapes of the inputs. */
export function layerKinds(nodes: readonly GraphNode[], size: Size2): Set<string> {
  const shapes = inferShapes(nodes, size)
  return new Set(nodes.map(({ op, attributes, inputs }) => JSON.stringify([op, attributes, inputs.map(input => shapes.get(input))])))
}

/** Largest difference, in units of the layer's largest value: rounding adds up over up to 152 layers. */
const tolerance = 2e-5

/** The network up to a layer, so that no weights behind it are made. */
function upTo(network: Network, layer: string): Network {
  return { ...network, nodes: pruneNodes(network.nodes, resolveLayers(network, [layer])) }
}

/** As large as prepared images' values, from the formula alone. */
const images = (): Tensor => ({
  shape: [1, 3, side, side],
  data: Float32Array.from({ length: 3 * side * side }, (_, i) => 100 * Math.sin(i * 0.37)),
})

async function compute(engine: Engine, network: Network, layer: string): Promise<Tensor> {
  await using extractor = await engine.extractor(network, referenceWeights(network), [layer], { inputSize: [side, side] })
  return (await extractor.run(images())).get(layer)!
}

/**
 * @param engine the one under test, open while tests run
 * @param family `caffe` where a device is so slow that one family must do. Default: both.
 */
export function networkContract(engine: () => Engine, family?: 'caffe'): void {
  let cpu: Engine
  beforeAll(async () => {
    cpu = await openEngine({ engine: 'onnx', device: 'cpu' })
  })
  afterAll(() => cpu.close())

  const ofFamily = networks.filter(([id]) => family === undefined || !id.endsWith('.tv'))
  const computed = ofFamily.filter(([id]) => everything || shallow.includes(id))

  it('has every kind of layer in the networks that are computed', () => {
    const kinds = (chosen: typeof ofFamily): string[] =>
      chosen.flatMap(([id, layer]) => [...layerKinds(upTo(getNetwork(id), layer).nodes, [side, side])])
    expect(new Set(kinds(computed))).toEqual(new Set(kinds(ofFamily)))
  })

  it.each(computed)('%s at %s', async (id, layer) => {
    const network = upTo(getNetwork(id), layer)
    const [expected, actual] = [await compute(cpu, network, layer), await compute(engine(), network, layer)]
    expect(actual.shape).toEqual(expected.shape)
    const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(largest).toBeGreaterThan(0)
    // Math.max keeps a NaN.
    const difference = expected.data.reduce((most, value, i) => Math.max(most, Math.abs(value - actual.data[i]!)), 0)
    expect(difference / largest).toBeLessThan(tolerance)
  })
}
