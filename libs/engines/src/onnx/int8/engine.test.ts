import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine } from '../../engine.js'
import { openEngine } from '../../open.js'
import { node, tinyImages, tinyNetwork, tinyWeights } from '../../self-check/operators/tiny.js'
import type { Range } from './parameters.js'

const conv = (name: string, input: string) => node('conv', name, [input], { outChannels: 8, kernel: [3, 3], stride: [1, 1], pad: [1, 1] })

/** Two branches that are joined: alone, each has its own range. */
const network = tinyNetwork(
  [
    conv('left', 'input'),
    node('relu', 'left/relu', ['left'], {}),
    conv('right', 'input'),
    node('relu', 'right/relu', ['right'], {}),
    node('concat', 'joined', ['left/relu', 'right/relu'], {}),
    node('linear', 'scores', ['joined'], { inFeatures: 1024, outFeatures: 5 }),
  ],
  [8, 8],
)
const weights = tinyWeights(network)
let engine: Engine

beforeAll(async () => {
  engine = await openEngine({ device: 'cpu', threads: 1 })
})
afterAll(() => engine.close())

it('gives the values whose ranges are needed, and computes in int8 with them', async () => {
  const calibrator = await engine.calibrator(network, weights, [['left/relu'], ['scores']])
  expect(calibrator.layers).toEqual(['input', 'left/relu', 'joined'])
  const values = await calibrator.run(tinyImages(3, [8, 8]))
  await calibrator.release()
  await using extremes = await engine.calibrator(network, weights, [['left/relu'], ['scores']], { extremes: true })
  const found = await extremes.run(tinyImages(3, [8, 8]))
  const ranges = new Map([...values].map(([name, { data }]): [string, Range] => [name, [Math.min(...data), Math.max(...data)]]))
  expect(new Map([...found].map(([name, { data }]) => [name, [...data]]))).toEqual(ranges)

  for (const layer of ['left/relu', 'scores']) {
    const [exact, int8] = await Promise.all([
      engine.extractor(network, weights, [layer]),
      engine.extractor(network, weights, [layer], { ranges }),
    ])
    const [a, b] = await Promise.all([exact, int8].map(async extractor => (await extractor.run(tinyImages(2, [8, 8]))).get(layer)!.data))
    const largest = Math.max(...a!.map(Math.abs))
    const error = Math.max(...a!.map((value, i) => Math.abs(value - b![i]!)))
    expect(error).toBeGreaterThan(0)
    expect(error / largest, layer).toBeLessThan(0.03)
  }
})

it('refuses layers that the network does not have', async () => {
  await expect(engine.calibrator(network, weights, [['nowhere']])).rejects.toMatchObject({ code: 'LAYER_UNKNOWN' })
})

it('does not compute in float16 on the CPU, and says what does', async () => {
  const attempt = engine.extractor(network, weights, ['scores'], { float16: true })
  await expect(attempt).rejects.toMatchObject({ code: 'PRECISION_UNAVAILABLE', hint: expect.stringContaining('cuda or webgpu') as string })
})
