/** A network of two convolutions: the one file that a new network is. It is copied into a built libs/models by the test beside it. */
import { defineNetwork } from './shared/definition.js'
import { GraphBuilder } from './shared/builder.js'
import { torchTensor } from './shared/naming.js'
import { caffePreparation, torchvisionPreparation } from './shared/preparations.js'

function table() {
  const g = new GraphBuilder()
  let x = g.relu('stem', g.conv('stem/conv', g.input(3), { channels: 4, kernel: 3, stride: 2, pad: 1, parameters: 'stem' }))
  x = g.relu('last', g.conv('last/conv', x, { channels: 8, kernel: 3, stride: 2, pad: 1, parameters: 'last' }))
  x = g.flatten('pool', g.globalAvgPool('pool/mean', x))
  g.softmax('prob', g.linear('scores', x, 8, 1000))
  const availableLayers = ['stem', 'last', 'pool', 'scores', 'prob']
  return {
    nodes: g.nodes,
    layers: new Map(availableLayers.map(name => [name, name])),
    availableLayers,
    defaultLayer: 'pool',
    classifier: 'scores',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [32, 32],
  }
}

const modules = { stem: 'features.0', last: 'features.2', scores: 'classifier' }

export const tiny = defineNetwork({
  name: 'tiny',
  table,
  head: ['scores'],
  initialisers: {
    caffe: { convolution: 'lecunUniform', linear: 'normal001' },
    torchvision: { convolution: 'heFanOut', linear: 'torchLinear' },
  },
  preparations: { chainer: caffePreparation([1, 2, 3]), torchvision: torchvisionPreparation },
  timm: { a1_in1k: [0.95, 'bicubic', 64] },
  parameters: {
    anchor: 'last/W',
    torchvision: { rule: (link, kind) => torchTensor(modules[link], kind), dialects: [{ anchor: 'features.2.weight' }] },
  },
  layerNames: () => [[/^features\.3$/, () => ({ layer: 'last', exact: true })]],
  published: {
    caffe: { files: [], unavailable: 'nobody publishes it' },
    torchvision: {
      files: [
        {
          file: 'tiny.safetensors',
          format: 'safetensors',
          urls: ['https://weights.example/t'],
          hashes: {},
          licence: 'CC0',
          origin: 'a test',
        },
      ],
    },
  },
})
