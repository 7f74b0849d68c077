import type { Architecture, TableFamily, GraphVariant, Network } from '../graph.js'
import { GraphBuilder } from './builder.js'
import { torchvisionPreparation, vggPreparation } from './preparation.js'

/** Convolutions in each of the five stages (Simonyan and Zisserman 2015, table 1, columns D and E). */
const convolutions = { vgg16: [2, 2, 3, 3, 3], vgg19: [2, 2, 4, 4, 4] } as const
const channels = [64, 128, 256, 512, 512] as const

/**
 * VGG16 or VGG19. Layers are Chainer's: `conv1_1` is behind its ReLU, `fc6` and `fc7` behind ReLU and dropout.
 * The torchvision family pools what is left to 7x7 before `fc6` and does not cover odd sizes.
 */
export function vgg(architecture: Extract<Architecture, 'vgg16' | 'vgg19'>, family: TableFamily, variant: GraphVariant): Network {
  const g = new GraphBuilder()
  const availableLayers: string[] = []
  const layer = (name: string): string => (availableLayers.push(name), name)

  let x = g.input(3)
  for (const [stage, count] of convolutions[architecture].entries()) {
    for (let i = 1; i <= count; i++) {
      const name = `conv${stage + 1}_${i}`
      x = g.conv(`${name}/conv`, x, { channels: channels[stage]!, kernel: 3, pad: 1, parameters: name })
      x = g.relu(layer(name), x)
    }
    x = g.maxPool(layer(`pool${stage + 1}`), x, { kernel: 2, stride: 2, ceil: family === 'caffe' })
  }
  if (family === 'torchvision') x = g.adaptiveAvgPool('avgpool', x, 7)
  for (const [name, inFeatures] of [
    ['fc6', 512 * 7 * 7],
    ['fc7', 4096],
  ] as const) {
    x = g.linear(`${name}/linear`, x, inFeatures, 4096, name)
    x = g.relu(`${name}/relu`, x)
    x = g.dropout(layer(name), x, 0.5)
  }
  x = g.linear(layer('fc8'), x, 4096, 1000)
  x = g.softmax(layer('prob'), x)

  return {
    id: family === 'caffe' ? architecture : `${architecture}.tv`,
    architecture,
    family,
    variant,
    nodes: g.nodes,
    layers: new Map(availableLayers.map(name => [name, name])),
    availableLayers,
    defaultLayer: 'fc7',
    classifier: 'fc8',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
    preparation: family === 'caffe' ? vggPreparation : torchvisionPreparation,
  }
}
