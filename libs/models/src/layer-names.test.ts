import { expect, it } from 'vitest'
import { layerShapes } from './shapes.js'
import { canonicalLayer } from './layer-names.js'
import { getNetwork, networkIds, resolveLayers } from './network.js'

it.each([
  ['resnet50', 'layer4', 'res5'],
  ['resnet50.tv', 'layer1.0', 'res2/a'],
  ['resnet50', 'layer3.5', 'res4/b5'],
  ['resnet101', 'layer3.22', 'res4/b22'],
  ['resnet50.tv', 'layer2.1.relu_1', 'res3/b1/relu2'],
  ['resnet50.tv', 'layer2.1.act3', 'res3/b1'],
  ['resnet50.tv', 'relu', 'conv1'],
  ['resnet50.tv', 'avgpool', 'pool5'],
  ['resnet50.tv', 'global_pool', 'pool5'],
  ['resnet50', 'conv5_block3_out', 'res5/b2'],
  ['resnet50', 'conv2_block1_1_relu', 'res2/a/relu1'],
  ['resnet50', 'predictions', 'prob'],
  ['resnet50', 'res4f', 'res4/b5'],
  ['resnet152', 'res4b35', 'res4/b35'],
  ['resnet50', 'encoder.stages.3', 'res5'],
  ['vgg16', 'features.28', 'conv5_3/conv'],
  ['vgg16', 'features.29', 'conv5_3'],
  ['vgg16.tv', 'classifier.3', 'fc7/linear'],
  ['vgg16.tv', 'pre_logits.fc1', 'fc6/linear'],
  ['vgg16', 'features.30', 'pool5'],
  ['vgg16', 'features.4', 'pool1'],
  ['vgg19', 'features.36', 'pool5'],
  ['vgg16.tv', 'classifier.4', 'fc7'],
  ['vgg16.tv', 'classifier.6', 'fc8'],
  ['vgg16', 'block5_conv3', 'conv5_3'],
  ['vgg16', 'fc2', 'fc7'],
  ['googlenet.tv', 'inception4e', 'inception_4e'],
  ['googlenet.tv', 'inception3a.branch2.0', 'inception_3a/3x3_reduce'],
  ['googlenet.tv', 'conv3', 'conv2'],
  ['googlenet.tv', 'aux1.fc2', 'loss1_fc2'],
  ['googlenet', 'inception_3a/output', 'inception_3a'],
  ['googlenet', 'pool5/7x7_s1', 'pool5'],
])('%s has %s, which is %s', (id, name, ours) => {
  const network = getNetwork(id)
  expect(canonicalLayer(network, name)).toBe(ours)
  expect(resolveLayers(network, [name])).toEqual(resolveLayers(network, [ours]))
  expect(layerShapes(network, [name]).get(name)).toEqual(layerShapes(network, [ours]).get(ours))
})

it.each([
  ['resnet50', 'layer4.2.conv3', 'res5/b2'],
  ['resnet50', 'layer4.0.bn1', 'res5/a/relu1'],
  ['resnet50', 'conv5_block3_add', 'res5/b2'],
  ['googlenet', 'pool1/3x3_s2', 'pool1'],
])('%s has nothing of the same values as %s, and says that %s is next to it', (id, name, near) => {
  const network = getNetwork(id)
  expect(canonicalLayer(network, name)).toBe(name)
  expect(() => resolveLayers(network, [name])).toThrow(
    expect.objectContaining({ code: 'LAYER_UNKNOWN', hint: expect.stringContaining(`is ${near}, `) as string }),
  )
})

it.each([
  ['resnet50', 'layer5'],
  ['resnet50', 'layer4.7'],
  ['resnet50', 'conv5_block4_out'],
  ['vgg16', 'features.31'],
  ['vgg16', 'block3_conv4'],
  ['googlenet', 'inception4e.branch1.1'],
])('%s has no %s', (id, name) => {
  expect(() => resolveLayers(getNetwork(id), [name])).toThrow(expect.objectContaining({ code: 'LAYER_UNKNOWN' }))
})

it('leaves its own names alone', () => {
  for (const network of networkIds.map(id => getNetwork(id)))
    for (const layer of network.layers.keys()) expect(canonicalLayer(network, layer)).toBe(layer)
})
