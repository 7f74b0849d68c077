import type { NetworkTable, TableFamily } from '../../graph.js'
import { GraphBuilder } from '../shared/builder.js'
import { defineNetwork, type NetworkDefinition } from '../shared/definition.js'
import { exactly, type KnownLayer, type LayerNames } from '../shared/layer-names.js'
import { caffeLayer, kerasConv, kerasLinear, type Naming, torchTensor } from '../shared/naming.js'
import { kerasPreparation, torchvisionPreparation } from '../shared/preparations.js'
import { kerasFile, openvinoFolder, type PublishedFile, timmFile } from '../shared/published.js'
import { timmPlain } from '../shared/timm.js'

const channels = [64, 128, 256, 512, 512] as const

/**
 * The table of a VGG. Layers are Chainer's: `conv1_1` is behind its ReLU, `fc6` and `fc7` behind ReLU and dropout. Finer layers are the
 * sums before a ReLU: `conv1_1/conv`, `fc6/linear`. With them VGG16 has 37, as many as MatConvNet's. The torchvision family pools what is left to 7x7 before `fc6` and does not cover odd sizes.
 */
function table(convolutions: readonly number[], family: TableFamily): NetworkTable {
  const g = new GraphBuilder()
  const availableLayers: string[] = []
  const finer: string[] = []
  const layer = (name: string): string => (availableLayers.push(name), name)
  const within = (name: string): string => (finer.push(name), name)

  let x = g.input(3)
  for (const [stage, count] of convolutions.entries()) {
    for (let i = 1; i <= count; i++) {
      const name = `conv${stage + 1}_${i}`
      x = g.conv(within(`${name}/conv`), x, { channels: channels[stage]!, kernel: 3, pad: 1, parameters: name })
      x = g.relu(layer(name), x)
    }
    x = g.maxPool(layer(`pool${stage + 1}`), x, { kernel: 2, stride: 2, ceil: family === 'caffe' })
  }
  if (family === 'torchvision') x = g.adaptiveAvgPool('avgpool', x, 7)
  for (const [name, inFeatures] of [
    ['fc6', 512 * 7 * 7],
    ['fc7', 4096],
  ] as const) {
    x = g.linear(within(`${name}/linear`), x, inFeatures, 4096, name)
    x = g.relu(`${name}/relu`, x)
    x = g.dropout(layer(name), x, 0.5)
  }
  x = g.linear(layer('fc8'), x, 4096, 1000)
  x = g.softmax(layer('prob'), x)

  return {
    nodes: g.nodes,
    layers: new Map([...availableLayers, ...finer].map(name => [name, name])),
    availableLayers,
    defaultLayer: 'fc7',
    classifier: 'fc8',
    probabilities: 'prob',
    classes: 1000,
    inputSize: [224, 224],
  }
}

/** torchvision's module of each convolution, by its link: `features.17` of `conv4_1`. A stage's pooling is a module too. */
function torchConvolutions(convolutions: readonly number[]): ReadonlyMap<string, string> {
  const modules = new Map<string, string>()
  let index = 0
  for (const [stage, count] of convolutions.entries()) {
    for (let i = 1; i <= count; i++, index += 2) modules.set(`conv${stage + 1}_${i}`, `features.${index}`)
    index++
  }
  return modules
}

const torchClassifier: Readonly<Record<string, string>> = { fc6: 'classifier.0', fc7: 'classifier.3', fc8: 'classifier.6' }

/** timm keeps the classifier as convolutions over the 7x7 map. */
const timmHead: Readonly<Record<string, string>> = { fc6: 'pre_logits.fc1', fc7: 'pre_logits.fc2', fc8: 'head.fc' }

const timmNames =
  (modules: ReadonlyMap<string, string>): Naming =>
  (link, kind) => {
    const rule = torchTensor(modules.get(link) ?? timmHead[link], kind)
    return rule !== undefined && kind === 'W' && timmHead[link]?.startsWith('pre_logits') === true ? { ...rule, layout: 'flatten' } : rule
  }

const torchDialects = [
  { anchor: 'features.0.weight' },
  { anchor: '0.weight', rank: 4, rename: (name: string) => (/^\d+\./.test(name) ? `features.${name}` : name) },
] as const

const kerasLinears: Readonly<Record<string, string>> = { fc6: 'fc1', fc7: 'fc2', fc8: 'predictions' }

const kerasRule: Naming = (link, kind) => {
  const conv = /^conv(\d)_(\d)$/.exec(link)
  if (conv !== null) return kerasConv(`block${conv[1]}_conv${conv[2]}`, kind)
  const layer = kerasLinears[link]
  return layer === undefined ? undefined : kerasLinear(layer, kind, link === 'fc6' ? 7 * 7 : undefined)
}

/** Names of VGG's layers in the order of torchvision's `features`: each convolution and its ReLU, then the stage's pooling. */
function torchFeatures(network: Pick<NetworkTable, 'availableLayers'>): KnownLayer[] {
  const names = network.availableLayers.filter(name => /^(?:conv|pool)\d/.test(name))
  return names.flatMap(name => (name.startsWith('pool') ? [exactly(name)] : [exactly(`${name}/conv`), exactly(name)]))
}

const layerNames: LayerNames = (_family, network) => [
  [/^features\.(\d{1,2})$/, ([index]) => torchFeatures(network)[Number(index)]],
  [/^features$/, () => exactly('pool5')],
  [/^classifier\.([0-6])$/, ([index]) => exactly(['fc6/linear', 'fc6', 'fc6', 'fc7/linear', 'fc7', 'fc7', 'fc8'][Number(index)]!)],
  [/^classifier$/, () => exactly('fc8')],
  // timm.
  [/^pre_logits\.(?:act|drop)?([12])$/, ([index]) => exactly(`fc${Number(index) + 5}`)],
  [/^pre_logits(?:\.drop)?$/, () => exactly('fc7')],
  [/^pre_logits\.fc([12])$/, ([index]) => exactly(`fc${Number(index) + 5}/linear`)],
  [/^head\.fc$/, () => exactly('fc8')],
  // Keras.
  [/^block([1-5])_conv(\d)$/, ([stage, index]) => exactly(`conv${stage}_${index}`)],
  [/^block([1-5])_pool$/, ([stage]) => exactly(`pool${stage}`)],
  [/^fc([12])$/, ([index]) => exactly(`fc${Number(index) + 5}`)],
  [/^predictions$/, () => exactly('prob')],
  // Caffe's ReLUs work in place.
  [/^relu(\d)_(\d)$/, ([stage, index]) => exactly(`conv${stage}_${index}`)],
  [/^(?:relu|drop)([67])$/, ([index]) => exactly(`fc${index}`)],
]

const licence = 'CC BY 4.0'
const oxford = 'http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe'

interface VggOptions<Name extends string> {
  readonly name: Name
  /** Convolutions in each of the five stages (Simonyan and Zisserman 2015, table 1). */
  readonly convolutions: readonly [number, number, number, number, number]
  /** Published files: Oxford's, Keras's, torchvision's. */
  readonly oxford: Pick<PublishedFile, 'file' | 'bytes' | 'hashes'>
  readonly keras: { readonly md5: string; readonly bytes: number }
  readonly torchvision?: Parameters<typeof timmFile>[1]
}

/** A VGG without batch norms. */
export function vgg<const Name extends string>(options: VggOptions<Name>): NetworkDefinition<Name> {
  const { name, convolutions } = options
  const modules = torchConvolutions(convolutions)
  return defineNetwork({
    name,
    table: family => table(convolutions, family),
    head: ['fc6', 'fc7', 'fc8'],
    initialisers: {
      caffe: { convolution: 'normal001', linear: 'normal001' },
      torchvision: { convolution: 'heFanOut', linear: 'normal001' },
    },
    preparations: { chainer: kerasPreparation, keras: kerasPreparation, torchvision: torchvisionPreparation },
    timm: { tv_in1k: timmPlain },
    parameters: {
      anchor: 'conv1_2/W',
      caffe: caffeLayer,
      torchvision: { rule: (link, kind) => torchTensor(modules.get(link) ?? torchClassifier[link], kind), dialects: torchDialects },
      timm: timmNames(modules),
      keras: {
        rule: kerasRule,
        variant: {},
        aliases: {},
        counted: {
          conv2d: convolutions.flatMap((count, stage) => Array.from({ length: count }, (_, i) => `block${stage + 1}_conv${i + 1}`)),
          dense: ['fc1', 'fc2', 'predictions'],
        },
        // Keras has no other two of these shapes one after the other.
        denseShapes: [
          [25088, 4096],
          [4096, 4096],
        ],
      },
    },
    layerNames,
    published: {
      caffe: {
        files: [
          {
            ...options.oxford,
            format: 'caffemodel',
            urls: [`${oxford}/${options.oxford.file}`, `${openvinoFolder}/${name}/${options.oxford.file}`],
            licence,
            origin: 'Visual Geometry Group, University of Oxford',
          },
          kerasFile(name, {
            folder: name,
            mirror: 'https://github.com/fchollet/deep-learning-models/releases/download/v0.1',
            licence,
            ...options.keras,
          }),
        ],
      },
      torchvision: { files: [timmFile(name, options.torchvision)] },
    },
  })
}
