import type { Tensor } from '@layermill/core'
import { getNetwork, resolveLayers } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { node, tinyNetwork, tinyWeights } from '../../self-check/operators/tiny.js'
import type { OnnxGraph } from '../graph.js'
import { lower } from '../lower/lower.js'
import { createSession } from '../session.js'
import { toHalfPrecision } from './half-precision.js'

const network = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 8, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('relu', 'relu', ['conv'], {}),
    node('lrn', 'lrn', ['relu'], { size: 5, alpha: 2e-5, beta: 0.75, k: 1 }),
    node('concat', 'joined', ['relu', 'lrn'], {}),
    node('adaptiveAvgPool', 'pool', ['joined'], { size: [4, 4] }),
    node('linear', 'fc', ['pool'], { inFeatures: 256, outFeatures: 5 }),
    node('softmax', 'prob', ['fc'], {}),
  ],
  [8, 8],
)
const weights = tinyWeights(network)

/** Two images as prepared ones are, from the formula alone. */
const images = (height: number, width: number): ort.Tensor =>
  new ort.Tensor(
    'float32',
    Float32Array.from({ length: 6 * height * width }, (_, i) => 100 * Math.sin(i * 0.37)),
    [2, 3, height, width],
  )

/** The CPU computes float16 by the runtime's own casts: as exact as any device, and slow. */
async function compute(graph: OnnxGraph, input: string, output: string, size: readonly [number, number]): Promise<Float32Array> {
  const session = await createSession(graph, { device: 'cpu', threads: 2 })
  try {
    return (await session.run({ [input]: images(...size) }))[output]!.data as Float32Array
  } finally {
    await session.release()
  }
}

async function difference(
  nodes: Parameters<typeof lower>[0]['nodes'],
  tensors: ReadonlyMap<string, Tensor>,
  layer: string,
  inputSize: readonly [number, number],
): Promise<number> {
  const { graph, input, outputs } = lower({ nodes, weights: tensors, outputs: [layer], inputSize })
  const output = outputs.get(layer)!
  const [exact, half] = [await compute(graph, input, output, inputSize), await compute(toHalfPrecision(graph), input, output, inputSize)]
  expect(half.length).toBe(exact.length)
  // Math.max keeps a NaN.
  const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return exact.reduce((most, value, i) => Math.max(most, Math.abs(value - half[i]!)), 0) / largest
}

describe('toHalfPrecision', () => {
  it('computes convolutions, joins and linear layers in halves, the rest and the results in float32', () => {
    const { graph } = lower({ nodes: network.nodes, weights, outputs: ['relu', 'prob'], inputSize: [8, 8] })
    const half = toHalfPrecision(graph)
    expect(half.inputs).toEqual(graph.inputs)
    expect(half.outputs).toEqual(graph.outputs)
    expect(half.nodes.map(({ op, inputs, outputs }) => `${op} ${inputs[0]} > ${outputs[0]}`)).toEqual([
      'Cast input > input/float16',
      'Conv input/float16 > conv/float16',
      'Relu conv/float16 > relu/float16',
      'Cast relu/float16 > relu',
      'LRN relu > lrn',
      'Cast lrn > lrn/float16',
      'Concat relu/float16 > joined/float16',
      'Cast joined/float16 > joined',
      'MatMul joined > pool/rows',
      'MatMul pool/height > pool',
      'Flatten pool > fc/flat',
      'Cast fc/flat > fc/flat/float16',
      'Gemm fc/flat/float16 > fc/float16',
      'Cast fc/float16 > fc',
      'Softmax fc > prob',
    ])
    const types = [...half.initializers].map(([name, { type }]) => `${name} ${type}`)
    expect(types).toEqual([
      'conv/W/float16 float16',
      'conv/b/float16 float16',
      'pool/width float32',
      'pool/height float32',
      'fc/W/float16 float16',
      'fc/b/float16 float16',
    ])
  })

  it.each(['relu', 'lrn', 'joined', 'fc'])("gives %s within halves' rounding", async layer => {
    const found = await difference(network.nodes, weights, layer, [8, 8])
    expect(found).toBeGreaterThan(0)
    expect(found).toBeLessThan(2e-3)
  })

  it.each([
    ['resnet50', 'pool5'],
    ['vgg16', 'pool5'],
    ['googlenet', 'inception_5b'],
  ] as const)('%s stays within 0.2%% at %s', async (id, layer) => {
    const found = getNetwork(id)
    const [name] = resolveLayers(found, [layer])
    expect(await difference(found.nodes, referenceWeights(found), name!, [32, 32])).toBeLessThan(2e-3)
  })
})
