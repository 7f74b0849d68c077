/** Promises of every engine, as tests. An engine's own test file calls `engineContract`. */
import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import type { Network, Size2 } from '@layermill/models'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine, Extractor } from '../engine.js'
import { cases, type Case } from '../self-check/operators/cases.js'
import { networkContract } from './network-contract.js'
import { computeReference, type Value } from '../self-check/operators/reference.js'
import { inSharedMemory, node, tinyImages, tinyNetwork, tinyWeights } from '../self-check/operators/tiny.js'
import { trainingContract } from './training-contract.js'

/** Largest difference from the float64 reference, in units of the layer's largest value. */
const tolerance = 1e-5

function expectClose(actual: Tensor | undefined, expected: Value, what: string): void {
  expect(actual?.shape, `shape of ${what}`).toEqual(expected.shape)
  expect(actual?.data.length, `length of ${what}`).toBe(expected.data.length)
  let largest = 0
  let difference = 0
  for (const [i, value] of expected.data.entries()) {
    largest = Math.max(largest, Math.abs(value))
    // Math.max keeps a NaN.
    difference = Math.max(difference, Math.abs(actual!.data[i]! - value))
  }
  expect(difference / Math.max(largest, 1e-30), `largest difference of ${what}`).toBeLessThanOrEqual(tolerance)
}

function reference(network: Network, weights: TensorMap, images: Tensor): Map<string, Value> {
  return computeReference(network.nodes, weights, { shape: images.shape, data: Float64Array.from(images.data) })
}

/** The images are handed over by `run`, so each run gets its own. */
const copyOf = ({ shape, data }: Tensor): Tensor => ({ shape, data: data.slice() })

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof LayermillError) return error.code
    throw error
  }
  return 'no error'
}

/** Conv, batch norm, ReLU, pool, linear: enough to tell mixed-up images, layers and sessions apart. */
function smallNetwork(): Network {
  return tinyNetwork(
    [
      node('conv', 'conv', ['input'], { outChannels: 16, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
      node('batchNorm', 'bn', ['conv'], { epsilon: 1e-5, decay: 0.9 }),
      node('relu', 'relu', ['bn'], {}),
      node('maxPool', 'pool', ['relu'], { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: true }),
      node('linear', 'fc6', ['pool'], { inFeatures: 16 * 4 * 4, outFeatures: 10 }),
      node('softmax', 'prob', ['fc6'], {}),
    ],
    [8, 8],
  )
}

function numbersContract(engine: () => Engine): void {
  const check = async ({ nodes, layers, sizes }: Case, fixedSize: boolean): Promise<void> => {
    const network = tinyNetwork(nodes, sizes[0]!)
    const weights = tinyWeights(network)
    const names = layers ?? nodes.map(({ name }) => name)
    let extractor: Extractor | undefined
    for (const size of sizes) {
      if (extractor === undefined || fixedSize) {
        await extractor?.release()
        extractor = await engine().extractor(network, weights, names, fixedSize ? { inputSize: size } : {})
      }
      const images = tinyImages(2, size)
      const expected = reference(network, weights, images)
      const actual = await extractor.run(images)
      expect([...actual.keys()]).toEqual(names)
      for (const name of names) expectClose(actual.get(name), expected.get(name)!, `${name} at ${size.join('x')}`)
    }
    await extractor?.release()
  }
  describe.each(cases)('$name', testCase => {
    it('at any size', () => check(testCase, false))
    it('at sizes known beforehand', () => check(testCase, true))
  })
}

function batchContract(engine: () => Engine): void {
  const network = smallNetwork()
  const weights = tinyWeights(network)
  const layers = ['prob', 'relu', 'fc6']

  it('gives the same numbers for an image whatever the batch it is in', async () => {
    const extractor = await engine().extractor(network, weights, layers)
    const images = tinyImages(5, [8, 8])
    const expected = reference(network, weights, images)
    for (const count of [5, 1, 3]) {
      const data = images.data.slice(0, count * 3 * 64)
      const actual = await extractor.run({ shape: [count, 3, 8, 8], data })
      for (const layer of layers) {
        const all = expected.get(layer)!
        const shape = [count, ...all.shape.slice(1)]
        expectClose(actual.get(layer), { shape, data: all.data.slice(0, (all.data.length / 5) * count) }, `${layer} of ${count}`)
      }
    }
    await extractor.release()
  })

  it('takes runs and extractors at once and answers each with its own', async () => {
    const other = tinyWeights(network, 99)
    const [first, second] = await Promise.all([engine().extractor(network, weights, layers), engine().extractor(network, other, ['fc6'])])
    const batches = Array.from({ length: 6 }, (_, i) => tinyImages(1 + (i % 3), [8, 8], 100 + i))
    const expected = batches.map((images, i) => reference(network, i % 2 === 0 ? weights : other, images))
    const actual = await Promise.all(batches.map((images, i) => (i % 2 === 0 ? first : second).run(copyOf(images))))
    actual.forEach((result, i) => expectClose(result.get('fc6'), expected[i]!.get('fc6')!, `fc6 of run ${i}`))
    await Promise.all([first.release(), second.release()])
  })

  it('gives each layer a buffer of its own, and leaves the weights as they were', async () => {
    const net = tinyNetwork([...network.nodes.slice(1), node('dropout', 'dropped', ['fc6'], { ratio: 0.5 })], [8, 8])
    const before = structuredClone(weights)
    const extractor = await engine().extractor(net, weights, ['fc6', 'dropped', 'relu', 'fc6'])
    expect(extractor.layers).toEqual(['fc6', 'dropped', 'relu'])
    const images = tinyImages(2, [8, 8])
    const expected = reference(net, weights, images)
    const actual = await extractor.run(images)
    expect(images.data.length).toBe(0)
    const buffers = [...actual.values()].map(({ data }) => data.buffer)
    expect(new Set(buffers).size).toBe(3)
    for (const [layer, { data }] of actual) expect(data.byteLength, layer).toBe(data.buffer.byteLength)
    for (const [layer, tensor] of actual) expectClose(tensor, expected.get(layer)!, layer)
    expect(weights).toEqual(before)
    await extractor.release()
  })

  it('reads weights in shared memory', async () => {
    const shared = inSharedMemory(weights)
    const extractor = await engine().extractor(network, shared, ['prob'])
    const images = tinyImages(2, [8, 8])
    const expected = reference(network, weights, images)
    expectClose((await extractor.run(images)).get('prob'), expected.get('prob')!, 'prob')
    for (const [name, { data }] of weights) expect(shared.get(name)!.data, name).toEqual(data)
    await extractor.release()
  })

  it('finishes pending runs before it releases, and can be released twice', async () => {
    const extractor = await engine().extractor(network, weights, ['fc6'])
    const runs = [1, 2].map(seed => extractor.run(tinyImages(2, [8, 8], seed)))
    await Promise.all([extractor.release(), extractor.release()])
    for (const run of runs) expect((await run).get('fc6')?.shape).toEqual([2, 10])
    expect(await codeOf(extractor.run(tinyImages(1, [8, 8])))).toBe('ENGINE_CLOSED')
  })
}

function errorContract(engine: () => Engine): void {
  const network = smallNetwork()
  const weights = tinyWeights(network)

  it('names the nearest layers for an unknown one', async () => {
    const attempt = engine().extractor(network, weights, ['fc_6'])
    await expect(attempt).rejects.toMatchObject({ code: 'LAYER_UNKNOWN', hint: expect.stringContaining('fc6') as string })
    expect(await codeOf(engine().extractor(network, weights, []))).toBe('LAYER_UNKNOWN')
  })

  it('names the layer and the size it needs', async () => {
    const extractor = await engine().extractor(network, weights, ['relu', 'fc6'])
    const images = tinyImages(1, [9, 12])
    const attempt = extractor.run(images)
    await expect(attempt).rejects.toMatchObject({ code: 'INPUT_SIZE', hint: expect.stringContaining('8x8') as string })
    await expect(attempt).rejects.toThrow(/fc6/)
    expect(images.data.length, "refused images stay the caller's").toBe(3 * 9 * 12)
    const early = engine().extractor(network, weights, ['fc6'], { inputSize: [16, 16] })
    expect(await codeOf(early)).toBe('INPUT_SIZE')
    expect((await extractor.run(tinyImages(1, [8, 8]))).get('fc6')?.shape).toEqual([1, 10])
    await extractor.release()
  })

  it('refuses another size than the one told', async () => {
    const extractor = await engine().extractor(network, weights, ['relu'], { inputSize: [8, 8] })
    await expect(extractor.run(tinyImages(1, [10, 8]))).rejects.toThrow(/8x8.*8x10/)
    await extractor.release()
  })

  it.each<[string, number[], number]>([
    ['three dimensions', [3, 8, 8], 192],
    ['no images', [0, 3, 8, 8], 0],
    ['one channel', [1, 1, 8, 8], 64],
    ['too few values', [1, 3, 8, 8], 191],
  ])('refuses images of %s', async (_what, shape, length) => {
    const extractor = await engine().extractor(network, weights, ['relu'])
    expect(await codeOf(extractor.run({ shape, data: new Float32Array(length) }))).toBe('INPUT_SHAPE')
    await extractor.release()
  })

  it('names a tensor that the weights lack or have in another shape', async () => {
    const lacking = new Map(weights)
    lacking.delete('bn/gamma')
    const missing = engine().extractor(network, lacking, ['fc6'])
    await expect(missing).rejects.toMatchObject({ code: 'WEIGHTS_MISSING_TENSOR', message: expect.stringContaining('bn/gamma') as string })
    const misshapen = new Map(weights).set('conv/W', { shape: [16, 3, 1, 9], data: weights.get('conv/W')!.data })
    await expect(engine().extractor(network, misshapen, ['fc6'])).rejects.toThrow(/conv\/W is 16x3x1x9; tiny needs 16x3x3x3/)
  })

  it('does not ask for weights of layers that are not asked for', async () => {
    const few = new Map([...weights].filter(([name]) => name.startsWith('conv/')))
    const extractor = await engine().extractor(network, few, ['conv'])
    expect((await extractor.run(tinyImages(1, [8, 8]))).get('conv')?.shape).toEqual([1, 16, 8, 8])
    await extractor.release()
  })
}

function closeContract(open: () => Promise<Engine>): void {
  const network = smallNetwork()
  const weights = tinyWeights(network)
  const size: Size2 = [8, 8]

  it('finishes what is pending before it closes, and can be closed twice', async () => {
    const engine = await open()
    const extractor = await engine.extractor(network, weights, ['fc6'])
    const run = extractor.run(tinyImages(2, size))
    await Promise.all([engine.close(), engine.close()])
    expect((await run).get('fc6')?.shape).toEqual([2, 10])
    expect(await codeOf(engine.extractor(network, weights, ['fc6']))).toBe('ENGINE_CLOSED')
    expect(await codeOf(extractor.run(tinyImages(1, size)))).toMatch(/^ENGINE_/)
    await extractor.release()
  })
}

/**
 * Stands in for the contract of an engine or device that this machine is not known to have, and names the reason. It must then still
 * open, or say that it is unavailable.
 */
export function engineLeftOut(name: string, open: () => Promise<Engine>, reason: string): void {
  describe(`${name} (left out: ${reason})`, () => {
    it('opens or says why not', async () => {
      const code = await codeOf(open().then(engine => engine.close()))
      expect(['no error', 'DEVICE_UNAVAILABLE']).toContain(code)
    })
  })
}

/**
 * Runs the contract against an engine.
 * @param open opens one; called several times.
 * @param options `networks`: false for the engine that the others' networks are compared with. Default: true.
 */
export function engineContract(name: string, open: () => Promise<Engine>, options: { networks?: boolean } = {}): void {
  describe(`${name}: the engine contract`, () => {
    let opened: Engine
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened.close())
    const engine = (): Engine => opened
    it('says what it is', () => {
      expect(opened.version).toMatch(/^\S+ \d+\.\d+/)
      expect(opened.report).toContain(opened.device)
    })
    describe('numbers', () => {
      numbersContract(engine)
    })
    if (options.networks ?? true) {
      describe('networks', () => {
        networkContract(engine)
      })
    }
    describe('batches', () => {
      batchContract(engine)
    })
    describe('training', () => {
      trainingContract(engine)
    })
    describe('errors', () => {
      errorContract(engine)
    })
    describe('closing', () => {
      closeContract(open)
    })
  })
}
