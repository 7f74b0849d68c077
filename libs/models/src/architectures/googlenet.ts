import type { TableFamily, GraphVariant, Network } from '../graph.js'
import { GraphBuilder } from './builder.js'
import { googlenetPreparation, googlenetTorchvisionPreparation } from './preparation.js'

/** Output channels of an inception module's convolutions. */
interface Inception {
  conv1: number
  proj3: number
  conv3: number
  proj5: number
  conv5: number
  projp: number
}

const module = (conv1: number, proj3: number, conv3: number, proj5: number, conv5: number, projp: number): Inception => ({
  conv1,
  proj3,
  conv3,
  proj5,
  conv5,
  projp,
})

/** Szegedy et al. 2015, table 1. */
const modules: Record<string, Inception> = {
  '3a': module(64, 96, 128, 16, 32, 32),
  '3b': module(128, 128, 192, 32, 96, 64),
  '4a': module(192, 96, 208, 16, 48, 64),
  '4b': module(160, 112, 224, 24, 64, 64),
  '4c': module(128, 128, 256, 24, 64, 64),
  '4d': module(112, 144, 288, 32, 64, 64),
  '4e': module(256, 160, 320, 32, 128, 128),
  '5a': module(256, 160, 320, 32, 128, 128),
  '5b': module(384, 192, 384, 48, 128, 128),
}

/** Caffe's names of the branches, by Chainer's: the finer layer names. */
const branchNames = { conv1: '1x1', proj3: '3x3_reduce', conv3: '3x3', proj5: '5x5_reduce', conv5: '5x5', projp: 'pool_proj' } as const

/** Differences between BVLC's network and torchvision's, which was ported from TensorFlow's. */
interface Style {
  /** Every convolution is followed by batch norm with this epsilon and has no bias. */
  batchNorm: number | undefined
  localResponseNorm: boolean
  /** torchvision's third branch is 3x3, not 5x5 (vision issue 906). */
  thirdKernel: 3 | 5
  pool4Kernel: 2 | 3
}

const styles: Record<TableFamily, Style> = {
  caffe: { batchNorm: undefined, localResponseNorm: true, thirdKernel: 5, pool4Kernel: 3 },
  torchvision: { batchNorm: 1e-3, localResponseNorm: false, thirdKernel: 3, pool4Kernel: 2 },
}

interface Conv {
  channels: number
  kernel: number
  stride?: number
  pad?: number
}

/** Convolution, batch norm where the family has it, ReLU; the ReLU's node carries `name`. */
function unit(g: GraphBuilder, name: string, parameters: string, input: string, conv: Conv, style: Style): string {
  let x = g.conv(`${name}/conv`, input, { ...conv, bias: style.batchNorm === undefined, parameters })
  if (style.batchNorm !== undefined) x = g.batchNorm(`${name}/bn`, x, style.batchNorm, `${parameters}/bn`)
  return g.relu(name, x)
}

function inception(g: GraphBuilder, id: string, input: string, style: Style): string {
  const name = `inception_${id}`
  const channels = modules[id]!
  const branch = (conv: keyof Inception, x: string, kernel: number): string =>
    unit(g, `${name}/${branchNames[conv]}`, `inc${id}/${conv}`, x, { channels: channels[conv], kernel, pad: (kernel - 1) / 2 }, style)

  const pool = g.maxPool(`${name}/pool`, input, { kernel: 3, stride: 1, pad: 1, ceil: true })
  return g.concat(name, [
    branch('conv1', input, 1),
    branch('conv3', branch('proj3', input, 1), 3),
    branch('conv5', branch('proj5', input, 1), style.thirdKernel),
    branch('projp', pool, 1),
  ])
}

/** An auxiliary classifier; `loss1_fc2` of `loss1`. Dropout 0.7 as in the paper and in BVLC's prototxt. */
function auxiliary(g: GraphBuilder, name: string, input: string, family: TableFamily): void {
  const style = styles[family]
  let x = family === 'caffe' ? g.avgPool(`${name}_pool`, input, { kernel: 5, stride: 3 }) : g.adaptiveAvgPool(`${name}_pool`, input, 4)
  x = unit(g, `${name}_conv`, `${name}_conv`, x, { channels: 128, kernel: 1 }, style)
  x = g.linear(`${name}_fc1/linear`, x, 128 * 4 * 4, 1024, `${name}_fc1`)
  x = g.relu(`${name}_fc1`, x)
  x = g.dropout(`${name}_fc1/dropout`, x, 0.7)
  g.linear(`${name}_fc2`, x, 1024, 1000)
}

/** From the images to `inception_5b`. */
function trunk(g: GraphBuilder, style: Style): string {
  const pool = (name: string, input: string, kernel = 3): string => g.maxPool(name, input, { kernel, stride: 2, ceil: true })
  let x = unit(g, 'conv1', 'conv1', g.input(3), { channels: 64, kernel: 7, stride: 2, pad: 3 }, style)
  x = style.localResponseNorm ? g.lrn('pool1', pool('pool1/max', x)) : pool('pool1', x)
  x = unit(g, 'conv2_reduce', 'conv2_reduce', x, { channels: 64, kernel: 1 }, style)
  const conv2 = { channels: 192, kernel: 3, pad: 1 }
  x = style.localResponseNorm ? g.lrn('conv2', unit(g, 'conv2/relu', 'conv2', x, conv2, style)) : unit(g, 'conv2', 'conv2', x, conv2, style)
  x = pool('pool2', x)
  x = inception(g, '3b', inception(g, '3a', x, style), style)
  x = pool('pool3', x)
  for (const id of ['4a', '4b', '4c', '4d', '4e']) x = inception(g, id, x, style)
  x = pool('pool4', x, style.pool4Kernel)
  return inception(g, '5b', inception(g, '5a', x, style), style)
}

/**
 * GoogLeNet: BVLC's in the caffe family, torchvision's own in the other. `pool1` and `conv2` of the caffe family are behind local
 * response normalisation, as in Chainer. Finer layers: branches (`inception_4a/5x5_reduce`), `loss1_conv`, `loss1_fc1` and `loss2_...`.
 */
export function googlenet(family: TableFamily, variant: GraphVariant): Network {
  const style = styles[family]
  const g = new GraphBuilder()
  let x = trunk(g, style)
  x = family === 'caffe' ? g.avgPool('pool5', x, { kernel: 7, stride: 1 }) : g.flatten('pool5', g.globalAvgPool('pool5/mean', x))
  x = g.dropout('pool5/dropout', x, family === 'caffe' ? 0.4 : 0.2)
  x = g.linear('loss3_fc', x, 1024, 1000)
  g.softmax('prob', x)
  auxiliary(g, 'loss1', 'inception_4a', family)
  auxiliary(g, 'loss2', 'inception_4d', family)

  const inceptions = Object.keys(modules).map(id => `inception_${id}`)
  const availableLayers = [
    ...['conv1', 'pool1', 'conv2_reduce', 'conv2', 'pool2', ...inceptions.slice(0, 2), 'pool3', ...inceptions.slice(2, 7), 'pool4'],
    ...[...inceptions.slice(7), 'pool5', 'loss3_fc', 'prob', 'loss1_fc2', 'loss2_fc2'],
  ]
  const finer = inceptions.flatMap(name => Object.values(branchNames).map(branch => `${name}/${branch}`))
  const auxiliaries = ['loss1', 'loss2'].flatMap(name => [`${name}_conv`, `${name}_fc1`])
  return {
    id: family === 'caffe' ? 'googlenet' : 'googlenet.tv',
    architecture: 'googlenet',
    family,
    variant,
    nodes: g.nodes,
    layers: new Map([...availableLayers, ...finer, ...auxiliaries].map(name => [name, name])),
    availableLayers,
    defaultLayer: 'pool5',
    classifier: 'loss3_fc',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
    preparation: family === 'caffe' ? googlenetPreparation : googlenetTorchvisionPreparation,
  }
}
