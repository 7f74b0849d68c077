import type { NetworkTable, Preparation, TableFamily } from '../graph.js'
import { GraphBuilder } from './shared/builder.js'
import { defineNetwork } from './shared/definition.js'
import { exactly, type LayerNames, nearly } from './shared/layer-names.js'
import { caffeLayer, torchTensor } from './shared/naming.js'
import { caffePreparation, torchvisionPreparation } from './shared/preparations.js'
import { openvinoFolder } from './shared/published.js'

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
 * The table: BVLC's in the caffe family, torchvision's own in the other. `pool1` and `conv2` of the caffe family are behind local
 * response normalisation, as in Chainer. Finer layers: branches (`inception_4a/5x5_reduce`), `loss1_conv`, `loss1_fc1` and `loss2_...`.
 */
function table(family: TableFamily): NetworkTable {
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
    nodes: g.nodes,
    layers: new Map([...availableLayers, ...finer, ...auxiliaries].map(name => [name, name])),
    availableLayers,
    defaultLayer: 'pool5',
    classifier: 'loss3_fc',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
  }
}

/** A link of an inception block: `inc3a/proj5` is block `3a`, branch `proj5`. */
function parseInceptionLink(link: string): { block: string; branch: keyof Inception } | undefined {
  const match = /^inc([3-5][a-e])\/(\w+)$/.exec(link)
  const branch = match?.[2]
  return branch !== undefined && Object.hasOwn(branchNames, branch) ? { block: match![1]!, branch: branch as keyof Inception } : undefined
}

/** Links outside the inception blocks. */
const caffeLinks: Readonly<Record<string, string>> = {
  conv1: 'conv1/7x7_s2',
  conv2_reduce: 'conv2/3x3_reduce',
  conv2: 'conv2/3x3',
  loss1_conv: 'loss1/conv',
  loss1_fc1: 'loss1/fc',
  loss1_fc2: 'loss1/classifier',
  loss2_conv: 'loss2/conv',
  loss2_fc1: 'loss2/fc',
  loss2_fc2: 'loss2/classifier',
  loss3_fc: 'loss3/classifier',
}

function caffeLayerOf(link: string): string | undefined {
  const inception = parseInceptionLink(link)
  return inception === undefined ? caffeLinks[link] : `inception_${inception.block}/${branchNames[inception.branch]}`
}

const torchLinks: Readonly<Record<string, string>> = {
  conv1: 'conv1',
  conv2_reduce: 'conv2',
  conv2: 'conv3',
  loss1_conv: 'aux1.conv',
  loss1_fc1: 'aux1.fc1',
  loss1_fc2: 'aux1.fc2',
  loss2_conv: 'aux2.conv',
  loss2_fc1: 'aux2.fc1',
  loss2_fc2: 'aux2.fc2',
  loss3_fc: 'fc',
}

const torchInception: Readonly<Record<keyof Inception, string>> = {
  conv1: 'branch1',
  proj3: 'branch2.0',
  conv3: 'branch2.1',
  proj5: 'branch3.0',
  conv5: 'branch3.1',
  projp: 'branch4.1',
}

/** torchvision's module: a convolution is `X`, its batch norm `X/bn`. */
function torchModule(link: string): string | undefined {
  const isNorm = link.endsWith('/bn')
  const base = isNorm ? link.slice(0, -'/bn'.length) : link
  const inception = parseInceptionLink(base)
  const module = inception === undefined ? torchLinks[base] : `inception${inception.block}.${torchInception[inception.branch]}`
  if (module === undefined) return undefined
  return base.includes('fc') ? module : `${module}.${isNorm ? 'bn' : 'conv'}`
}

/** Our branches by torchvision's, also where those are Sequentials. */
const torchBranches: Readonly<Record<string, string>> = {
  '1': '1x1',
  '2': '3x3',
  '2.0': '3x3_reduce',
  '2.1': '3x3',
  '3': '5x5',
  '3.0': '5x5_reduce',
  '3.1': '5x5',
  '4': 'pool_proj',
  '4.1': 'pool_proj',
}

/** torchvision's network has no local response normalisation, so that its first poolings are not the same as Caffe's. */
const layerNames: LayerNames = family => [
  [/^inception([345][a-e])$/, ([id]) => exactly(`inception_${id}`)],
  [
    /^inception([345][a-e])\.branch([1-4](?:\.[01])?)$/,
    ([id, branch]) => (torchBranches[branch!] === undefined ? undefined : exactly(`inception_${id}/${torchBranches[branch!]}`)),
  ],
  [/^maxpool([34])$/, ([index]) => exactly(`pool${index}`)],
  [/^maxpool([12])$/, ([index]) => (family === 'torchvision' || index === '2' ? exactly(`pool${index}`) : nearly(`pool${index}`))],
  [/^conv3$/, () => (family === 'torchvision' ? exactly('conv2') : nearly('conv2'))],
  [/^(?:avgpool|flatten|dropout|global_pool)$/, () => exactly('pool5')],
  [/^fc$/, () => exactly('loss3_fc')],
  [/^aux([12])\.conv$/, ([index]) => exactly(`loss${index}_conv`)],
  [/^aux([12])\.fc2$/, ([index]) => exactly(`loss${index}_fc2`)],
  [/^aux([12])\.fc1$/, ([index]) => nearly(`loss${index}_fc1`)],
  // Caffe: its ReLUs work in place.
  [/^inception_([345][a-e])\/output$/, ([id]) => exactly(`inception_${id}`)],
  [/^pool([234])\/3x3_s2$/, ([index]) => exactly(`pool${index}`)],
  [/^pool1\/norm1$/, () => exactly('pool1')],
  [/^conv1\/7x7_s2$/, () => exactly('conv1')],
  [/^conv2\/3x3_reduce$/, () => exactly('conv2_reduce')],
  [/^conv2\/norm2$/, () => exactly('conv2')],
  [/^conv2\/3x3$/, () => nearly('conv2')],
  [/^pool1\/3x3_s2$/, () => nearly('pool1')],
  [/^pool5\/(?:7x7_s1|drop_7x7_s1)$/, () => exactly('pool5')],
  [/^loss3\/classifier$/, () => exactly('loss3_fc')],
  [/^loss([12])\/classifier$/, ([index]) => exactly(`loss${index}_fc2`)],
]

/**
 * torchvision's GoogLeNet was trained on pixels in [-1, 1]: its `transform_input`, on with the published weights, turns the usual
 * normalisation back into (x / 255 - 0.5) / 0.5. Done here, so that the graph starts at the network's own input.
 */
const torchvisionInput: Preparation = { ...torchvisionPreparation, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }

export const googlenet = defineNetwork({
  name: 'googlenet',
  table,
  head: ['loss3_fc'],
  auxiliary: { classifiers: ['loss1_fc2', 'loss2_fc2'], links: /^loss[12]_/ },
  initialisers: {
    caffe: { convolution: 'lecunUniform', linear: 'lecunUniform' },
    torchvision: { convolution: 'normal001', linear: 'normal001' },
  },
  preparations: {
    chainer: caffePreparation([104, 117, 123]),
    torchvision: torchvisionInput,
    'torchvision-plain': torchvisionPreparation,
  },
  timm: {},
  torchvisionWeights: { GoogLeNet_Weights: torchvisionInput },
  torchvisionRemark:
    "images are prepared for torchvision's published GoogLeNet (transform_input): one that was built with weights=None wants --prepare torchvision-plain",
  parameters: {
    anchor: 'inc3a/conv1/W',
    caffe: (link, kind) => caffeLayer(caffeLayerOf(link), kind),
    torchvision: {
      rule: (link, kind) => torchTensor(torchModule(link), kind),
      dialects: [{ anchor: 'inception3a.branch1.conv.weight' }],
    },
  },
  layerNames,
  published: {
    caffe: {
      files: [
        {
          file: 'bvlc_googlenet.caffemodel',
          format: 'caffemodel',
          urls: [
            'http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel',
            `${openvinoFolder}/googlenet-v1/bvlc_googlenet.caffemodel`,
          ],
          bytes: 53533754,
          hashes: {
            sha256: '6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad',
            sha1: '405fc5acd08a3bb12de8ee5e23a96bec22f08204',
          },
          licence: 'unrestricted',
          origin: 'Berkeley Vision and Learning Center',
        },
      ],
    },
    torchvision: {
      files: [],
      unavailable:
        "torchvision publishes its GoogLeNet only as googlenet-1378be20.pth, a Python pickle, which is never unpickled here. Where torchvision is installed, save it once: safetensors.torch.save_file(torchvision.models.googlenet(weights='IMAGENET1K_V1').state_dict(), 'googlenet.safetensors'); then give that file to --weights, or keep it with `layermill weights import`",
    },
  },
})
