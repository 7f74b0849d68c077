import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, openEngine } from '@layermill/engines'
import { engineLeftOut, networkContract } from '@layermill/engines/testing'
import { getNetwork } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'

/**
 * WebGPU without a GPU: ONNX Runtime's provider on SwiftShader, a Vulkan driver that computes on the CPU and translates every shader for
 * seconds. So the images are small, and networks are those that have every kind of layer. All networks at their own size, and the contract
 * suite: `npm run verify:device -- --device webgpu`.
 */
const driver = process.env['LAYERMILL_TEST_VULKAN']

/** Seeded by the formula itself: values as prepared images have them. */
const images = (): { shape: number[]; data: Float32Array<ArrayBuffer> } => ({
  shape: [1, 3, 32, 32],
  data: Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => 100 * Math.sin(i * 0.37)),
})

describe('WebGPU on SwiftShader', () => {
  let gpu: Engine | undefined
  beforeAll(async () => {
    if (driver === undefined) throw new Error('LAYERMILL_TEST_VULKAN is not set; npm test sets it')
    // Before the first engine: the Vulkan loader reads it once.
    process.env['VK_DRIVER_FILES'] = driver
    gpu = await openEngine({ device: 'webgpu' })
  })
  afterAll(() => gpu?.close())

  it('is the device that was asked for, and says so', () => {
    expect(gpu).toMatchObject({ name: 'onnx', device: 'webgpu', report: 'using webgpu' })
  })

  it('has no float16, and says so', async () => {
    const network = getNetwork('googlenet')
    const load = gpu!.extractor(network, referenceWeights(network), ['conv1'], { inputSize: [32, 32], float16: true })
    await expect(load.then(extractor => extractor.run(images()))).rejects.toMatchObject({ code: 'PRECISION_UNAVAILABLE' })
  })

  networkContract(() => gpu!, 'caffe')
})

engineLeftOut(
  'onnx on webgpu: the contract suite',
  () => openEngine({ device: 'webgpu' }),
  'minutes on SwiftShader; npm run verify:device runs it',
)
