import { describe, expect, it } from 'vitest'
import { fineTunedNetwork, networkDescription, type NetworkDescription, networkFromDescription } from './heads.js'
import { sliceOutputs } from './model-target.js'
import { getNetwork, networkIds } from './network.js'
import { layerCosts, parameterCount } from './costs.js'
import { layerShapes, parameterShapes } from './shapes.js'

describe('fineTunedNetwork', () => {
  it('cuts behind a layer and ends in fc and prob', () => {
    const network = fineTunedNetwork(getNetwork('resnet50'), { layer: 'pool5', classes: ['cat', 'dog', 'owl'] })
    expect(network.availableLayers).toEqual(['conv1', 'pool1', 'res2', 'res3', 'res4', 'res5', 'pool5', 'fc', 'prob'])
    expect([...layerShapes(network, ['fc', 'prob']).values()]).toEqual([[3], [3]])
    expect(parameterShapes(network).get('fc/W')).toEqual([3, 2048])
    expect(parameterShapes(network).has('fc6/W')).toBe(false)
    expect(network).toMatchObject({
      classes: 3,
      classNames: ['cat', 'dog', 'owl'],
      classifier: 'fc',
      defaultLayer: 'pool5',
      newNodes: ['fc'],
    })
    expect(layerCosts(network, ['res4/b2', 'fc'])).toHaveLength(2)
    // 23,508,032 is ResNet-50 without its classifier; Caffe's stem has a bias of 64 on top.
    expect(parameterCount(network)).toBe(23_508_032 + 64 + 3 * 2049)
  })

  it.each(networkIds)('cuts %s behind any of its layers but its probabilities', id => {
    const base = getNetwork(id)
    for (const layer of base.availableLayers) {
      if (layer === base.probabilities) continue
      const network = fineTunedNetwork(base, { layer, classes: 3 })
      expect(layerShapes(network, [network.classifier]).get(network.classifier), layer).toEqual([3])
    }
  })

  it('flattens feature maps of the size it is made for and puts hidden layers before the classifier', () => {
    const head = [{ units: 64, dropout: 0.5 }, { units: 32 }]
    const network = fineTunedNetwork(getNetwork('vgg16'), { layer: 'pool5', head, classes: 5, inputSize: [64, 96] })
    expect(parameterShapes(network).get('hidden1/W')).toEqual([64, 512 * 2 * 3])
    expect(parameterShapes(network).get('fc/W')).toEqual([5, 32])
    expect(network.availableLayers.slice(-5)).toEqual(['pool5', 'hidden1', 'hidden2', 'fc', 'prob'])
    expect(network.nodes.slice(-7).map(node => node.op)).toEqual(['linear', 'relu', 'dropout', 'linear', 'relu', 'linear', 'softmax'])
    expect(network.defaultLayer).toBe('hidden2')
    expect(() => layerShapes(network, ['fc'], [128, 128])).toThrow(/layer fc .* cannot be computed from 128x128/)
  })

  it("replaces the classifier under its own name, GoogLeNet's other two only when asked", () => {
    const googlenet = getNetwork('googlenet')
    const single = fineTunedNetwork(googlenet, { layer: 'loss3_fc', classes: 10 })
    expect(parameterShapes(single).get('loss3_fc/W')).toEqual([10, 1024])
    expect([...parameterShapes(single).keys()].filter(name => name.startsWith('loss1'))).toEqual([])
    const all = fineTunedNetwork(googlenet, { layer: 'loss3_fc', classes: 10, auxiliary: true })
    for (const name of ['loss1_fc2/W', 'loss2_fc2/W', 'loss3_fc/W']) expect(parameterShapes(all).get(name)).toEqual([10, 1024])
    expect(all.classifiers).toEqual(['loss3_fc', 'loss1_fc2', 'loss2_fc2'])
    expect(all.newNodes).toEqual(all.classifiers)
    expect(new Set(all.availableLayers)).toEqual(new Set(googlenet.availableLayers))
  })

  it.each([
    { layer: 'prob', classes: 2 },
    { layer: 'pool5', classes: 1 },
    { layer: 'pool5', classes: ['a', 'a'] },
    { layer: 'pool5', classes: 2, head: [{ units: 0 }] },
    { layer: 'pool5', classes: 2, head: [{ units: 8, dropout: 1 }] },
    { layer: 'pool5', classes: 2, head: [{ units: 1 }, { units: 1 }, { units: 1 }] },
    { layer: 'pool5', classes: 2, auxiliary: true },
  ])('refuses %o', spec => {
    expect(() => fineTunedNetwork(getNetwork('googlenet'), spec)).toThrow(expect.objectContaining({ code: 'HEAD_INVALID' }))
  })

  it('refuses unknown layers and auxiliary classifiers where there are none', () => {
    expect(() => fineTunedNetwork(getNetwork('vgg16'), { layer: 'pool6', classes: 2 })).toThrow(
      expect.objectContaining({ code: 'LAYER_UNKNOWN' }),
    )
    expect(() => fineTunedNetwork(getNetwork('vgg16'), { layer: 'fc8', classes: 2, auxiliary: true })).toThrow(/no auxiliary/)
    expect(() => fineTunedNetwork(getNetwork('vgg16'), { layer: 'fc8', classes: 2, inputSize: [96, 96] })).toThrow(/fc8/)
  })

  it('gives the answers of several targets under their names, and all of them end to end', () => {
    const slices = [
      { name: 'species', target: 'class', classes: ['cat', 'dog'] },
      { name: 'tags', target: 'multi-label', classes: ['old', 'wild', 'wet'] },
      { name: 'fc', target: 'regression', classes: ['fc'] },
    ] as const
    const classes = slices.flatMap(sliceOutputs)
    expect(classes).toEqual(['species:cat', 'species:dog', 'tags:old', 'tags:wild', 'tags:wet', 'fc'])
    const spec = { layer: 'pool5', classes, target: 'mixed', slices } as const
    const network = fineTunedNetwork(getNetwork('resnet50'), spec)
    expect(network.availableLayers.slice(-6)).toEqual(['pool5', 'fc', 'species', 'tags', 'fc2', 'prob'])
    expect(network.answers).toEqual(['species', 'tags', 'fc2'])
    expect([...layerShapes(network, ['fc', 'species', 'tags', 'fc2', 'prob']).values()]).toEqual([[6], [2], [3], [1], [6]])
    const described = JSON.parse(JSON.stringify(networkDescription(network))) as NetworkDescription
    expect(networkFromDescription(described)).toEqual(network)
    const cut = (changed: object) => () => fineTunedNetwork(getNetwork('resnet50'), { ...spec, ...changed })
    expect(cut({ slices: slices.slice(0, 1) })).toThrow(/needs two targets or more, not 1/)
    expect(cut({ classes: classes.slice(1) })).toThrow(/the targets of a head have 6 scores, not 5/)
    expect(cut({ slices: [slices[0], slices[0], slices[2]] })).toThrow(/two targets of a head have the same name/)
    expect(cut({ slices: [{ ...slices[0], classes: ['cat'] }, slices[1]] })).toThrow(/species needs at least 2 classes, not 1/)
    expect(cut({ target: 'class' })).toThrow(/HEAD_INVALID|mixed head/)
  })

  it('comes back from JSON, cut twice or not at all', () => {
    const once = fineTunedNetwork(getNetwork('resnet50', { batchNormEpsilon: 1e-3 }), {
      layer: 'res4',
      head: [{ units: 16 }],
      classes: ['a', 'b'],
    })
    const twice = fineTunedNetwork(once, { layer: 'hidden1', head: [{ units: 8, dropout: 0.2 }], classes: 4 })
    expect(parameterShapes(twice).get('hidden2/W')).toEqual([8, 16])
    for (const network of [getNetwork('googlenet.tv'), once, twice]) {
      const copy = networkFromDescription(JSON.parse(JSON.stringify(networkDescription(network))) as ReturnType<typeof networkDescription>)
      expect(copy).toEqual(network)
    }
  })
})
