import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { node, tinyImages, tinyNetwork, tinyWeights } from '../../self-check/operators/tiny.js'
import { lower } from '../lower/lower.js'
import { createSession } from '../session.js'
import type { Range } from './parameters.js'
import { planInt8 } from './plan.js'

const conv = (name: string, input: string, outChannels: number) =>
  node('conv', name, [input], { outChannels, kernel: [3, 3], stride: [1, 1], pad: [1, 1] })

/** A residual block, an inception-like pair of branches with pooling and LRN, and two linear layers. */
const network = tinyNetwork(
  [
    conv('conv1', 'input', 16),
    node('relu', 'relu1', ['conv1'], {}),
    conv('conv2', 'relu1', 16),
    node('add', 'sum', ['relu1', 'conv2'], {}),
    node('relu', 'relu2', ['sum'], {}),
    node('maxPool', 'pool', ['relu2'], { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true }),
    node('lrn', 'norm', ['pool'], { size: 5, alpha: 1e-4, beta: 0.75, k: 1 }),
    conv('left', 'norm', 16),
    node('relu', 'left/relu', ['left'], {}),
    node('concat', 'joined', ['left/relu', 'pool'], {}),
    node('linear', 'fc', ['joined'], { inFeatures: 512, outFeatures: 12 }),
    node('relu', 'fc/relu', ['fc'], {}),
    node('dropout', 'dropped', ['fc/relu'], { ratio: 0.5 }),
    node('linear', 'scores', ['dropped'], { inFeatures: 12, outFeatures: 5 }),
  ],
  [8, 8],
)
const weights = tinyWeights(network)
const images = tinyImages(4, network.inputSize)
const outputs = ['relu2', 'joined', 'scores']
const plan = planInt8(network.nodes, new Set(outputs))

async function compute(wanted: readonly string[], batch: Tensor, ranges?: ReadonlyMap<string, Range>): Promise<Map<string, Float32Array>> {
  const lowered = lower({
    nodes: network.nodes,
    weights,
    outputs: wanted,
    inputSize: network.inputSize,
    ...(ranges === undefined ? {} : { ranges }),
  })
  const session = await createSession(lowered.graph, { device: 'cpu', threads: 1 })
  const results = await session.run({ [lowered.input]: new ort.Tensor('float32', batch.data, batch.shape) })
  await session.release()
  return new Map(wanted.map(name => [name, results[lowered.outputs.get(name)!]!.data as Float32Array]))
}

async function rangesOf(points: readonly string[]): Promise<Map<string, Range>> {
  const values = await compute(points, images)
  return new Map(points.map(name => [name, [Math.min(...values.get(name)!), Math.max(...values.get(name)!)] as const]))
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe('planInt8', () => {
  it('fuses ReLUs, joins at one scale, and leaves the scores in float32', () => {
    expect([...plan.fused]).toEqual([
      ['conv1', 'relu1'],
      ['sum', 'relu2'],
      ['left', 'left/relu'],
      ['fc', 'fc/relu'],
    ])
    expect(plan.rangeOf('left/relu')).toBe('joined')
    expect(plan.rangeOf('dropped')).toBe('fc/relu')
    expect([...plan.dequantised]).toEqual(['scores'])
    expect(plan.points).toEqual(['input', 'relu1', 'conv2', 'relu2', 'norm', 'joined', 'fc/relu'])
  })

  it('keeps a ReLU apart from a value that is asked for', () => {
    expect(planInt8(network.nodes, new Set(['conv1', 'scores'])).fused.has('conv1')).toBe(false)
  })
})

describe('lower, with ranges', () => {
  it('computes in int8, close to float32 at every output', async () => {
    const ranges = await rangesOf(plan.points)
    const [exact, int8] = [await compute(outputs, images), await compute(outputs, images, ranges)]
    for (const name of outputs) expect(cosine(exact.get(name)!, int8.get(name)!), name).toBeGreaterThan(0.999)
    const ops = lower({ nodes: network.nodes, weights, outputs, ranges }).graph.nodes.map(({ op }) => op)
    expect(ops.filter(op => op === 'QLinearConv')).toHaveLength(3)
    expect(ops.filter(op => op === 'QGemm')).toHaveLength(2)
    expect(ops).not.toContain('Conv')
  })

  it('gives an image the same bits in any batch', async () => {
    const ranges = await rangesOf(plan.points)
    const together = (await compute(['scores'], images, ranges)).get('scores')!
    const alone = await compute(
      ['scores'],
      { shape: [1, ...images.shape.slice(1)], data: images.data.slice(0, images.data.length / 4) },
      ranges,
    )
    expect([...alone.get('scores')!]).toEqual([...together.slice(0, 5)])
  })

  it('names the range that is missing', () => {
    expect(() => lower({ nodes: network.nodes, weights, outputs, ranges: new Map() })).toThrow(/no range of input/)
  })
})
