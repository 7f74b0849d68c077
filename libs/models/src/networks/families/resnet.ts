import type { GraphVariant, NetworkTable, TableFamily } from '../../graph.js'
import { transformersPreparation } from '../../preparations/transformers.js'
import { GraphBuilder } from '../shared/builder.js'
import { defineNetwork, type NetworkDefinition } from '../shared/definition.js'
import { exactly, type KnownLayer, type LayerNameRule, nearly } from '../shared/layer-names.js'
import { caffeLayer, caffeNorm, kerasConv, kerasLinear, type KerasNames, kerasNorm, type Naming, torchTensor } from '../shared/naming.js'
import { caffePreparation, kerasPreparation, torchvisionPreparation, torchvisionV2Preparation } from '../shared/preparations.js'
import { kerasFile, type PublishedFile, timmFile } from '../shared/published.js'
import { timmBicubic, timmPlain, type TimmSettings, timmWide } from '../shared/timm.js'

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
 * The table of a ResNet. `conv1` is behind batch norm and ReLU; `res4` is the last block of its stage. Finer layers: each block
 * (`res4/a`, `res4/b3`) and, inside it, the two inner activations (`res4/b3/relu1`, `res4/b3/relu2`).
 */
function table(blocks: readonly number[], family: TableFamily, variant: GraphVariant): NetworkTable {
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

  for (const [i, count] of blocks.entries()) {
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
    nodes: g.nodes,
    layers,
    availableLayers,
    defaultLayer: 'pool5',
    classifier: 'fc6',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
  }
}

/** A link of a block: `res4/b22/conv3` is stage 4, block 22, link `conv`, number 3. */
interface BlockLink {
  readonly stage: number
  /** Counted from 0; 0 is the one with the projection (conv4, bn4). */
  readonly block: number
  readonly kind: 'conv' | 'bn'
  readonly number: number
}

function parseBlockLink(link: string): BlockLink | undefined {
  const match = /^res([2-5])\/(?:a|b(\d+))\/(conv|bn)([1-4])$/.exec(link)
  if (match === null) return undefined
  return {
    stage: Number(match[1]),
    block: match[2] === undefined ? 0 : Number(match[2]),
    kind: match[3] === 'conv' ? 'conv' : 'bn',
    number: Number(match[4]),
  }
}

/** Convolutions of a block by number, as Caffe names them. */
const caffeBranches: Readonly<Record<number, string>> = { 1: 'branch2a', 2: 'branch2b', 3: 'branch2c', 4: 'branch1' }

/** Caffe's names. `letters`: blocks are 4a to 4f; else those of stages 3 and 4 are 4a, 4b1, 4b2. */
const caffeNames =
  (letters: boolean): Naming =>
  (link, kind) => {
    if (link === 'conv1') return kind === 'b' ? { source: 'conv1[1]', whenAbsent: 'zero' } : caffeLayer('conv1', kind)
    if (link === 'bn1') return caffeNorm('_conv1', kind)
    if (link === 'fc6') return caffeLayer('fc1000', kind)
    const parsed = parseBlockLink(link)
    if (parsed === undefined) return undefined
    const { stage, block, number } = parsed
    const isNumbered = !letters && (stage === 3 || stage === 4) && block > 0
    const name = `${stage}${isNumbered ? `b${block}` : String.fromCharCode('a'.charCodeAt(0) + block)}_${caffeBranches[number]}`
    return parsed.kind === 'conv' ? caffeLayer(`res${name}`, kind) : caffeNorm(name, kind)
  }

function torchModule(link: string): string | undefined {
  if (link === 'conv1' || link === 'bn1') return link
  if (link === 'fc6') return 'fc'
  const parsed = parseBlockLink(link)
  if (parsed === undefined) return undefined
  const { stage, block, kind, number } = parsed
  const module = number === 4 ? `downsample.${kind === 'conv' ? 0 : 1}` : `${kind}${number}`
  return `layer${stage - 1}.${block}.${module}`
}

/** Positions of modules in `torch.nn.Sequential(*resnet.children())`. */
const children: Readonly<Record<string, string>> = { 0: 'conv1', 1: 'bn1', 4: 'layer1', 5: 'layer2', 6: 'layer3', 7: 'layer4', 9: 'fc' }

function ofChildren(name: string): string {
  const dot = name.indexOf('.')
  const module = children[name.slice(0, dot)]
  return module === undefined ? name : module + name.slice(dot)
}

/** Modules of a block's or shortcut's unit in transformers. */
const transformersUnit: Readonly<Record<string, string>> = { convolution: 'conv', normalization: 'bn' }

/**
 * torchvision's key of a tensor of transformers' `ResNetModel`: `encoder.stages.0.layers.1.layer.2.convolution.weight` is
 * `layer1.1.conv3.weight`. Names of other modules stay as they are.
 */
function ofTransformers(name: string): string {
  const stem = /^embedder\.embedder\.(convolution|normalization)\.(.+)$/.exec(name)
  if (stem !== null) return `${transformersUnit[stem[1]!]}1.${stem[2]}`
  const unit = /^encoder\.stages\.(\d+)\.layers\.(\d+)\.(?:layer\.(\d+)|(shortcut))\.(convolution|normalization)\.(.+)$/.exec(name)
  if (unit === null) return name
  const [, stage, block, number, shortcut, kind, parameter] = unit
  const module = shortcut === undefined ? `${transformersUnit[kind!]}${Number(number) + 1}` : `downsample.${kind === 'convolution' ? 0 : 1}`
  return `layer${Number(stage) + 1}.${block}.${module}.${parameter}`
}

/** transformers keeps the classifier beside `resnet.`, behind a Flatten. */
function transformersHead(prefix: string): ReadonlyMap<string, string> {
  const outer = prefix.endsWith('resnet.') ? prefix.slice(0, -'resnet.'.length) : prefix
  return new Map(['weight', 'bias'].map(kind => [`${outer}classifier.1.${kind}`, `fc.${kind}`]))
}

const torchDialects = [
  { anchor: 'layer1.0.conv1.weight' },
  { anchor: '4.0.conv1.weight', rename: ofChildren },
  { anchor: 'embedder.embedder.convolution.weight', origin: 'transformers', rename: ofTransformers, beside: transformersHead },
] as const

/** Epsilon of the batch norms that Keras builds its ResNets with, and nobody else does. */
export const kerasEpsilon = 1.001e-5

/** Numbers of a block's convolutions in Keras; 4 is the projection. */
const kerasNumbers: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 3, 4: 0 }

/** Every convolution of Keras's ResNets has a bias, which only the stem's can be here: the others move into the batch norms' means. */
const kerasRule: Naming = (link, kind) => {
  if (link === 'conv1') return kerasConv('conv1_conv', kind)
  if (link === 'bn1') return kerasNorm('conv1_bn', kind)
  if (link === 'fc6') return kerasLinear('probs', kind)
  const parsed = parseBlockLink(link)
  if (parsed === undefined) return undefined
  const prefix = `conv${parsed.stage}_block${parsed.block + 1}_${kerasNumbers[parsed.number]}`
  return parsed.kind === 'bn' ? kerasNorm(`${prefix}_bn`, kind, `${prefix}_conv`) : kerasConv(`${prefix}_conv`, kind)
}

/**
 * Units in the order of Keras's layers (by depth, then as they were made): a block's projection (0) stands before its last convolution,
 * which it is added to.
 */
function kerasUnits(blocks: readonly number[]): string[] {
  const units = ['conv1']
  for (const [stage, count] of blocks.entries()) {
    for (let block = 1; block <= count; block++) {
      for (const number of block === 1 ? [1, 2, 0, 3] : [1, 2, 3]) units.push(`conv${stage + 2}_block${block}_${number}`)
    }
  }
  return units
}

const kerasNames = (blocks: readonly number[]): KerasNames => ({
  rule: kerasRule,
  variant: { batchNormEpsilon: kerasEpsilon, stemPool: 'padded' },
  aliases: { probs: 'predictions' },
  counted: {
    conv2d: kerasUnits(blocks).map(unit => `${unit}_conv`),
    batch_normalization: kerasUnits(blocks).map(unit => `${unit}_bn`),
  },
  denseShapes: [],
})

/** Block of a stage, both as numbers from 0, as we write it. */
const blockName = (stage: number, block: number): string => `res${stage + 2}/${block === 0 ? 'a' : `b${block}`}`
const letterIndex = (letter: string): number => letter.charCodeAt(0) - 'a'.charCodeAt(0)

/** A block's inner activation, or the block itself for its last one; `index` from 1. */
const activation = (block: string, index: number): KnownLayer => exactly(index >= 3 ? block : `${block}/relu${index}`)

const layerRules: readonly LayerNameRule[] = [
  [/^(?:relu|act1|conv1_relu)$/, () => exactly('conv1')],
  [/^(?:maxpool|pool1_pool|res1_pool)$/, () => exactly('pool1')],
  [/^(?:bn1|conv1_bn|conv1_conv)$/, () => nearly('conv1')],
  // torchvision and timm.
  [/^layer([1-4])$/, ([stage]) => exactly(`res${Number(stage) + 1}`)],
  [/^layer([1-4])\.(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage) - 1, Number(block)))],
  [/^layer([1-4])\.(\d+)\.act([123])$/, ([stage, block, act]) => activation(blockName(Number(stage) - 1, Number(block)), Number(act))],
  [
    /^layer([1-4])\.(\d+)\.relu(?:_([12]))?$/,
    ([stage, block, call]) => activation(blockName(Number(stage) - 1, Number(block)), Number(call ?? 0) + 1),
  ],
  [
    /^layer([1-4])\.(\d+)\.(?:conv|bn)([123])$/,
    ([stage, block, conv]) => nearly(activation(blockName(Number(stage) - 1, Number(block)), Number(conv)).layer),
  ],
  [/^layer([1-4])\.(\d+)\.(?:downsample.*|add)$/, ([stage, block]) => nearly(blockName(Number(stage) - 1, Number(block)))],
  // Keras counts stages from 2 and blocks from 1.
  [/^conv([2-5])_block(\d+)_out$/, ([stage, block]) => exactly(blockName(Number(stage) - 2, Number(block) - 1))],
  [
    /^conv([2-5])_block(\d+)_([12])_relu$/,
    ([stage, block, conv]) => activation(blockName(Number(stage) - 2, Number(block) - 1), Number(conv)),
  ],
  [
    /^conv([2-5])_block(\d+)_([123])_(?:conv|bn)$/,
    ([stage, block, conv]) => nearly(activation(blockName(Number(stage) - 2, Number(block) - 1), Number(conv)).layer),
  ],
  [/^conv([2-5])_block(\d+)_(?:add|0_conv|0_bn)$/, ([stage, block]) => nearly(blockName(Number(stage) - 2, Number(block) - 1))],
  // transformers.
  [/^(?:resnet\.)?encoder\.stages\.([0-3])$/, ([stage]) => exactly(`res${Number(stage) + 2}`)],
  [/^(?:resnet\.)?encoder\.stages\.([0-3])\.layers\.(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage), Number(block)))],
  // Caffe: res4a, res4b and on, or res4b1 and on where a stage is longer than the alphabet.
  [/^res([2-5])([a-z])$/, ([stage, letter]) => exactly(blockName(Number(stage) - 2, letterIndex(letter!)))],
  [/^res([2-5])b(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage) - 2, Number(block)))],
  [/^(?:avgpool|flatten|global_pool|avg_pool|global_pool\.flatten)$/, () => exactly('pool5')],
  [/^(?:fc|fc1000)$/, () => exactly('fc6')],
  [/^predictions$/, () => exactly('prob')],
]

/** `preprocessor_config.json` of microsoft/resnet-50 and its relatives; its crop starts at half the difference rounded down. */
const transformersProcessor = {
  image_processor_type: 'ConvNextImageProcessor',
  size: { shortest_edge: 224 },
  image_mean: torchvisionPreparation.mean,
  image_std: torchvisionPreparation.std,
}

/** Tags of timm 1.0.29 that all its ResNets here have. */
const timmTags: Readonly<Record<string, TimmSettings>> = {
  a1_in1k: timmWide,
  a1h_in1k: timmWide,
  a2_in1k: timmWide,
  a3_in1k: [0.95, 'bicubic', 160],
  gluon_in1k: timmBicubic,
  tv2_in1k: [0.875, 'bilinear', 176],
  tv_in1k: timmPlain,
}

const licence = 'MIT (c) 2016 Shaoqing Ren'

interface ResnetOptions<Name extends string> {
  readonly name: Name
  /** Bottleneck blocks in each stage (He et al. 2016, table 1). */
  readonly blocks: readonly [number, number, number, number]
  /** Whether Caffe counts the blocks of every stage by letters. */
  readonly letters?: boolean
  /** Tags of timm beside those of all ResNets, or with other settings. */
  readonly timm?: Readonly<Record<string, TimmSettings>>
  /** Published files: Microsoft's, Keras's, torchvision's. */
  readonly msra: Pick<PublishedFile, 'file' | 'urls' | 'bytes' | 'hashes'>
  readonly keras: { readonly md5: string; readonly bytes?: number }
  readonly torchvision?: Parameters<typeof timmFile>[1]
}

/** A ResNet of bottleneck blocks. */
export function resnet<const Name extends string>(options: ResnetOptions<Name>): NetworkDefinition<Name> {
  const { name, blocks, letters = false, timm, msra, keras, torchvision } = options
  return defineNetwork({
    name,
    table: (family, variant) => table(blocks, family, variant),
    head: ['fc6'],
    initialisers: {
      caffe: { convolution: 'heFanIn', linear: 'heFanIn' },
      torchvision: { convolution: 'heFanOut', linear: 'torchLinear' },
    },
    preparations: {
      chainer: caffePreparation([103.063, 115.903, 123.152]),
      keras: kerasPreparation,
      torchvision: torchvisionPreparation,
      transformers: transformersPreparation(transformersProcessor, { where: 'transformers' }).preparation,
      'torchvision-v2': torchvisionV2Preparation,
    },
    timm: { ...timmTags, ...timm },
    torchvisionRemark:
      "images are prepared for torchvision's V1 weights, which the names in the file do not tell from others: --prepare torchvision-v2 or timm:TAG is for those",
    parameters: {
      anchor: 'res2/a/conv1/W',
      caffe: caffeNames(letters),
      torchvision: { rule: (link, kind) => torchTensor(torchModule(link), kind), dialects: torchDialects },
      keras: kerasNames(blocks),
    },
    layerNames: () => layerRules,
    published: {
      caffe: {
        files: [
          { ...msra, format: 'caffemodel', licence, origin: 'Microsoft Research Asia' },
          kerasFile(name, {
            folder: 'resnet',
            mirror: 'https://github.com/keras-team/keras-applications/releases/download/resnet',
            licence,
            ...keras,
          }),
        ],
      },
      torchvision: { files: [timmFile(name, torchvision)] },
    },
  })
}

/** A file of Microsoft's folder. */
export const oneDrive = (id: number): string =>
  `https://onedrive.live.com/download?cid=4006CBB8476FF777&resid=4006CBB8476FF777%21${id}&authkey=%21AAFW2%2DFVoxeVRck`
