import { describe, expect, it } from 'vitest'
import { LayermillError } from '@layermill/core'
import { getNetwork, networkIds, pruneNodes, resolveLayers, expandLayers } from './network.js'
import { parameterCount } from './costs.js'

describe('getNetwork', () => {
  it('knows the six architectures in both families', () => {
    expect(networkIds).toHaveLength(12)
    for (const id of networkIds) expect(getNetwork(id).id).toBe(id)
  })

  it('names the nearest model for an unknown one', () => {
    const error = catching(() => getNetwork('resnet5'))
    expect(error.code).toBe('MODEL_UNKNOWN')
    expect(error.hint).toContain('resnet50')
  })

  it.each(networkIds)('%s: nodes are unique, in topological order, and every layer is a node', id => {
    const network = getNetwork(id)
    const seen = new Set<string>()
    for (const node of network.nodes) {
      expect(seen.has(node.name), node.name).toBe(false)
      for (const input of node.inputs) expect(seen.has(input), `${node.name} <- ${input}`).toBe(true)
      seen.add(node.name)
    }
    for (const node of [...network.layers.values(), network.classifier, network.probabilities]) expect(seen.has(node), node).toBe(true)
    expect([...network.layers.keys()].slice(0, network.availableLayers.length)).toEqual(network.availableLayers)
  })

  // The counts that Chainer and torchvision report for their models (docs: Chainer's npz files, torchvision's model pages).
  it.each([
    ['vgg16', 138_357_544],
    ['vgg19', 143_667_240],
    ['resnet50', 25_557_096],
    ['resnet101', 44_549_224],
    ['resnet152', 60_192_872],
    ['googlenet', 13_378_280],
    ['resnet50.tv', 25_557_032],
    ['googlenet.tv', 13_004_888],
  ])('%s has %d parameters', (id, count) => {
    expect(parameterCount(getNetwork(id))).toBe(count)
  })

  it('lets the weights decide epsilon and the stem', () => {
    const keras = getNetwork('resnet50', { batchNormEpsilon: 1.001e-5, stemPool: 'padded' })
    const epsilons = keras.nodes.flatMap(node => (node.op === 'batchNorm' ? [node.attributes.epsilon] : []))
    expect(new Set(epsilons)).toEqual(new Set([1.001e-5]))
    expect(keras.nodes.find(node => node.name === 'pool1')).toMatchObject({ attributes: { pad: [1, 1], ceil: false } })
  })
})

describe('layers', () => {
  it('offers finer names than Chainer', () => {
    expect(resolveLayers(getNetwork('resnet152'), ['res4/b35', 'res4'])).toEqual(['res4/b35', 'res4/b35'])
    expect(resolveLayers(getNetwork('googlenet'), ['inception_4a/5x5_reduce', 'loss1_fc1', 'loss1_conv'])).toHaveLength(3)
    expect(expandLayers(getNetwork('vgg16'), ['all'])).toHaveLength(37)
    expect(expandLayers(getNetwork('vgg19'), ['conv5_*/conv'])).toEqual([1, 2, 3, 4].map(i => `conv5_${i}/conv`))
    expect(getNetwork('vgg16').availableLayers).toHaveLength(22)
  })

  it('names the nearest layers for an unknown one', () => {
    const error = catching(() => resolveLayers(getNetwork('resnet50'), ['ress4']))
    expect(error.code).toBe('LAYER_UNKNOWN')
    expect(error.hint).toContain('res4')
  })

  it('prunes to what a layer needs', () => {
    const network = getNetwork('googlenet')
    const names = pruneNodes(network.nodes, ['loss1_fc2']).map(node => node.name)
    expect(names).toContain('inception_4a')
    expect(names).not.toContain('inception_4b')
  })
})

function catching(action: () => unknown): LayermillError {
  try {
    action()
  } catch (error) {
    if (error instanceof LayermillError) return error
  }
  throw new Error('expected a LayermillError')
}
