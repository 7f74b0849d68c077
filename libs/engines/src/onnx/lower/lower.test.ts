import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { getNetwork } from '@layermill/models'
import { node, tinyNetwork, tinyWeights } from '../../self-check/operators/tiny.js'
import { lower } from './lower.js'

const network = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 8, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn', ['conv'], { epsilon: 0.5, decay: 0.9 }),
    node('relu', 'relu', ['bn'], {}),
    node('adaptiveAvgPool', 'pool', ['relu'], { size: [4, 4] }),
    node('linear', 'fc', ['pool'], { inFeatures: 128, outFeatures: 5 }),
    node('dropout', 'dropped', ['fc'], { ratio: 0.5 }),
    node('maxPool', 'aside', ['relu'], { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true }),
  ],
  [4, 4],
)
const weights = tinyWeights(network)
const lowered = (outputs: string[], more = {}) => lower({ nodes: network.nodes, weights, outputs, ...more })
const ops = (result: ReturnType<typeof lower>) => result.graph.nodes.map(({ op }) => op)

describe('lower', () => {
  it('leaves out what the outputs do not need', () => {
    const { graph } = lowered(['relu'])
    expect(ops(lowered(['relu']))).toEqual(['Conv', 'Relu'])
    expect([...graph.initializers.keys()]).toEqual(['bn/folded/W', 'bn/folded/b'])
    expect(graph.outputs).toEqual([{ name: 'relu', shape: ['N', 'relu/channels', 'relu/height', 'relu/width'] }])
    expect(graph.inputs).toEqual([{ name: 'input', shape: ['N', 3, 'H', 'W'] }])
  })

  it('folds batch norm in double precision, rounding once', () => {
    const folded = lowered(['relu']).graph.initializers
    const of = (name: string) => weights.get(name)!.data
    for (const index of [0, 26, 27, 215]) {
      const c = Math.floor(index / 27)
      const scale = of('bn/gamma')[c]! / Math.sqrt(of('bn/variance')[c]! + 0.5)
      expect(folded.get('bn/folded/W')!.data[index]).toBe(Math.fround(of('conv/W')[index]! * scale))
      const bias = of('conv/b')[c]! * scale + (of('bn/beta')[c]! - of('bn/mean')[c]! * scale)
      expect(folded.get('bn/folded/b')!.data[c]).toBe(Math.fround(bias))
    }
  })

  it('does not fold into a convolution that is asked for', () => {
    expect(ops(lowered(['conv', 'relu']))).toEqual(['Conv', 'BatchNormalization', 'Relu'])
  })

  it('overwrites weights only where it is allowed to', () => {
    const copies = structuredClone(weights)
    const mine = lower({ nodes: network.nodes, weights: copies, outputs: ['relu'], overwriteWeights: true })
    expect(mine.graph.initializers.get('bn/folded/W')!.data).toBe(copies.get('conv/W')!.data)
    const theirs = lowered(['relu'])
    expect(theirs.graph.initializers.get('bn/folded/W')!.data).toEqual(copies.get('conv/W')!.data)
    expect(weights.get('conv/W')!.data).not.toEqual(copies.get('conv/W')!.data)
  })

  it('hands weights on without copying them', () => {
    expect(lowered(['fc']).graph.initializers.get('fc/W')!.data).toBe(weights.get('fc/W')!.data)
  })

  it('takes averaging matrices as inputs at any size, as constants at a known one, and needs none where nothing is averaged', () => {
    const any = lowered(['pool'])
    expect(any.averaging.map(({ name }) => name)).toEqual(['pool/width', 'pool/height'])
    expect(any.graph.inputs).toHaveLength(3)
    const known = lowered(['pool'], { inputSize: [6, 9] })
    expect(known.graph.inputs).toEqual([{ name: 'input', shape: ['N', 3, 6, 9] }])
    expect(known.graph.initializers.get('pool/width')!.shape).toEqual([9, 4])
    expect(ops(lowered(['pool'], { inputSize: [4, 4] }))).toEqual(['Conv', 'Relu'])
  })

  it('gives nodes of the same value one output, and the images an output of their own', () => {
    const { outputs, graph } = lowered(['dropped', 'fc', 'input'])
    expect([...outputs]).toEqual([
      ['dropped', 'fc'],
      ['fc', 'fc'],
      ['input', 'input/copy'],
    ])
    expect(graph.outputs.map(({ name }) => name)).toEqual(['fc', 'input/copy'])
  })

  it('names the tensor that is missing', () => {
    const nothing = new Map<string, Tensor>()
    const attempt = () => lower({ nodes: network.nodes, weights: nothing, outputs: ['aside', 'fc'], inputSize: [4, 4] })
    expect(attempt).toThrow(/no tensor bn\/gamma/)
    const lacking = new Map([...weights].filter(([name]) => name !== 'fc/b'))
    expect(() => lower({ nodes: network.nodes, weights: lacking, outputs: ['fc'] })).toThrow(/no tensor fc\/b/)
  })

  it('says so where images are too small for the network', () => {
    const vgg = getNetwork('vgg16')
    expect(() => lower({ nodes: vgg.nodes, weights, outputs: ['fc6'], inputSize: [64, 64] })).toThrow(/fc6/)
  })
})
