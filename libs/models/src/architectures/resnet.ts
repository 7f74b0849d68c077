import type { Architecture, TableFamily, GraphVariant, Network } from '../graph.js'
import { GraphBuilder } from './builder.js'
import { resnetPreparation, torchvisionPreparation } from './preparation.js'

/** Bottleneck blocks in each stage (He et al. 2016, table 1). */
const blocks = { resnet50: [3, 4, 6, 3], resnet101: [3, 4, 23, 3], resnet152: [3, 8, 36, 3] } as const

interface Bottleneck {
  inner: number
  outer: number
  stride: number
  project: boolean
}

/** Differences between the two families. */
interface Style {
  epsilon: number
  /** Stride 2 sits on the first 1x1 convolution (MSRA) or on the 3x3 (torchvision). */
  strideOn: 'conv1' | 'conv2'
  stemPool: 'cover' | 'padded'
  stemBias: boolean
}

const styles: Record<TableFamily, Style> = {
  caffe: { epsilon: 2e-5, strideOn: 'conv1', stemPool: 'cover', stemBias: true },
  torchvision: { epsilon: 1e-5, strideOn: 'conv2', stemPool: 'padded', stemBias: false },
}

function bottleneck(g: GraphBuilder, name: string, input: string, block: Bottleneck, style: Style): string {
  const { inner, outer, stride, project } = block
  const strideOf = (conv: Style['strideOn']): number => (style.strideOn === conv ? stride : 1)

  let x = g.conv(`${name}/conv1`, input, { channels: inner, kernel: 1, stride: strideOf('conv1'), bias: false })
  x = g.batchNorm(`${name}/bn1`, x, style.epsilon)
  x = g.relu(`${name}/relu1`, x)
  x = g.conv(`${name}/conv2`, x, { channels: inner, kernel: 3, stride: strideOf('conv2'), pad: 1, bias: false })
  x = g.batchNorm(`${name}/bn2`, x, style.epsilon)
  x = g.relu(`${name}/relu2`, x)
  x = g.conv(`${name}/conv3`, x, { channels: outer, kernel: 1, bias: false })
  x = g.batchNorm(`${name}/bn3`, x, style.epsilon)

  let shortcut = input
  if (project) {
    shortcut = g.conv(`${name}/conv4`, input, { channels: outer, kernel: 1, stride, bias: false })
    shortcut = g.batchNorm(`${name}/bn4`, shortcut, style.epsilon)
  }
  return g.relu(name, g.add(`${name}/add`, [x, shortcut]))
}

/**
 * ResNet-50, -101 or -152. `conv1` is behind batch norm and ReLU; `res4` is the last block of its stage. Finer layers: each block
 * (`res4/a`, `res4/b3`) and, inside it, the two inner activations (`res4/b3/relu1`, `res4/b3/relu2`).
 */
export function resnet(
  architecture: Extract<Architecture, 'resnet50' | 'resnet101' | 'resnet152'>,
  family: TableFamily,
  variant: GraphVariant,
): Network {
  const defaults = styles[family]
  const style = { ...defaults, epsilon: variant.batchNormEpsilon ?? defaults.epsilon, stemPool: variant.stemPool ?? defaults.stemPool }
  const g = new GraphBuilder()
  const layers = new Map(['conv1', 'pool1', 'res2', 'res3', 'res4', 'res5', 'pool5', 'fc6', 'prob'].map(name => [name, name]))
  const availableLayers = [...layers.keys()]

  let x = g.conv('conv1/conv', g.input(3), { channels: 64, kernel: 7, stride: 2, pad: 3, bias: style.stemBias, parameters: 'conv1' })
  x = g.batchNorm('bn1', x, style.epsilon)
  x = g.relu('conv1', x)
  const padded = style.stemPool === 'padded'
  x = g.maxPool('pool1', x, { kernel: 3, stride: 2, pad: padded ? 1 : 0, ceil: !padded })

  for (const [i, count] of blocks[architecture].entries()) {
    const stage = i + 2
    for (let block = 0; block < count; block++) {
      const name = `res${stage}/${block === 0 ? 'a' : `b${block}`}`
      const inner = 64 << i
      x = bottleneck(g, name, x, { inner, outer: inner * 4, stride: block === 0 && i > 0 ? 2 : 1, project: block === 0 }, style)
      for (const finer of [`${name}/relu1`, `${name}/relu2`, name]) layers.set(finer, finer)
    }
    layers.set(`res${stage}`, x)
  }
  x = g.flatten('pool5', g.globalAvgPool('pool5/mean', x))
  x = g.linear('fc6', x, 2048, 1000)
  g.softmax('prob', x)

  return {
    id: family === 'caffe' ? architecture : `${architecture}.tv`,
    architecture,
    family,
    variant,
    nodes: g.nodes,
    layers,
    availableLayers,
    defaultLayer: 'pool5',
    classifier: 'fc6',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
    preparation: family === 'caffe' ? resnetPreparation : torchvisionPreparation,
  }
}
