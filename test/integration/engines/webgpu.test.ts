import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, openEngine } from '@layermill/engines'
import { engineLeftOut } from '@layermill/engines/testing'
import { getNetwork, type Network, referenceWeights } from '@layermill/models'

/**
 * WebGPU without a GPU: ONNX Runtime's provider on SwiftShader, a Vulkan driver that computes on the CPU and translates every shader for
 * seconds. So the images are small, and each kind of network is computed as far as all its operators have come. All networks, whole, and
 * the contract suite: `npm run verify:device -- --device webgpu`.
 */
const networks = [['vgg16', 'pool2'], ['resnet50', 'res2'], ['googlenet', 'inception_3a']] as const

const driver = process.env['LAYERMILL_TEST_VULKAN']

/** Seeded by the formula itself: values as prepared images have them. */
const images = (): { shape: number[]; data: Float32Array<ArrayBuffer> } => ({
  shape: [1, 3, 32, 32], data: Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => 100 * Math.sin(i * 0.37)),
})

async function layerOf(engine: Engine, network: Network, layer: string): Promise<Float32Array> {
  const extractor = await engine.extractor(network, referenceWeights(network), [layer], { inputSize: [32, 32] })
  try {
    return (await extractor.run(images())).get(layer)!.data
  } finally {
    await extractor.release()
  }
}

describe('WebGPU on SwiftShader', () => {
  let [gpu, cpu]: Engine[] = []
  beforeAll(async () => {
    if (driver === undefined) throw new Error('LAYERMILL_TEST_VULKAN is not set; npm test sets it')
    // Before the first engine: the Vulkan loader reads it once.
    process.env['VK_DRIVER_FILES'] = driver
    gpu = await openEngine({ device: 'webgpu' })
    cpu = await openEngine({ device: 'cpu' })
  })
  afterAll(async () => {
    await gpu?.close()
    await cpu?.close()
  })

  it('is the device that was asked for, and says so', () => {
    expect(gpu).toMatchObject({ name: 'onnx', device: 'webgpu', report: 'using webgpu' })
  })

  it.each(networks)('%s computes what the CPU computes, at %s', async (name, layer) => {
    const network = getNetwork(name)
    const [expected, actual] = [await layerOf(cpu!, network, layer), await layerOf(gpu!, network, layer)]
    expect(actual.length).toBe(expected.length)
    let [largest, difference] = [0, 0]
    for (const [i, value] of expected.entries()) {
      largest = Math.max(largest, Math.abs(value))
      // Math.max keeps a NaN.
      difference = Math.max(difference, Math.abs(actual[i]! - value))
    }
    expect(difference / largest).toBeLessThan(1e-4)
  })
})

engineLeftOut('onnx on webgpu: the contract suite', () => openEngine({ device: 'webgpu' }), 'minutes on SwiftShader; npm run verify:device runs it')
