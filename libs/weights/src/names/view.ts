import { LayermillError } from '@layermill/core'
import type { Architecture, Network } from '@layermill/models'
import { countedLayer, countedLinear } from './keras-order.js'
import { isResnet, isVgg, type NameScheme } from './scheme.js'
import { detectScheme } from './index.js'
import { transformersKey } from './transformers.js'
import type { TensorEntry, TensorFile, WeightOrigin } from '../types.js'

/** A file as a naming scheme sees it. */
export interface FileView {
  /** With the scheme's own names: a common prefix is taken off, other libraries' names for the same modules are translated. */
  readonly file: TensorFile
  readonly scheme: NameScheme
  readonly origin: WeightOrigin
  /** Tensors beside the network, under the file's own names: other modules of a larger model. */
  readonly outside: ReadonlyMap<string, TensorEntry>
  /** The file's own name of a tensor. */
  nameOf(name: string): string
}

/** A way to name the modules of an architecture, known by one tensor that each such file has. */
interface Dialect {
  readonly anchor: string
  /** Dimensions of the anchor, where the name alone could be another network's. */
  readonly rank?: number
  readonly origin?: WeightOrigin
  /** The scheme's name for what stands behind the prefix; as it is where left out. */
  rename?(name: string): string
  /** Names beside the prefix that belong to the network, by the scheme's names, if the network is part of a larger one. */
  beside?(prefix: string): ReadonlyMap<string, string>
}

/** Places of `torch.nn.Sequential(*resnet.children())`. */
const CHILDREN: Readonly<Record<string, string>> = { 0: 'conv1', 1: 'bn1', 4: 'layer1', 5: 'layer2', 6: 'layer3', 7: 'layer4', 9: 'fc' }

function ofChildren(name: string): string {
  const dot = name.indexOf('.')
  const module = CHILDREN[name.slice(0, dot)]
  return module === undefined ? name : module + name.slice(dot)
}

/** transformers keeps the classifier beside `resnet.`, behind a Flatten. */
function transformersHead(prefix: string): ReadonlyMap<string, string> {
  const outer = prefix.endsWith('resnet.') ? prefix.slice(0, -'resnet.'.length) : prefix
  return new Map(['weight', 'bias'].map(kind => [`${outer}classifier.1.${kind}`, `fc.${kind}`]))
}

function torchDialects(architecture: Architecture): Dialect[] {
  if (isResnet(architecture)) {
    return [
      { anchor: 'layer1.0.conv1.weight' },
      { anchor: '4.0.conv1.weight', rename: ofChildren },
      { anchor: 'embedder.embedder.convolution.weight', origin: 'transformers', rename: transformersKey, beside: transformersHead },
    ]
  }
  if (isVgg(architecture)) {
    return [
      { anchor: 'features.0.weight' },
      { anchor: '0.weight', rank: 4, rename: name => (/^\d+\./.test(name) ? `features.${name}` : name) },
    ]
  }
  return [{ anchor: 'inception3a.branch1.conv.weight' }]
}

const CHAINER_ANCHORS: Readonly<Record<string, string>> = { vgg: 'conv1_2/W', resnet: 'res2/a/conv1/W', googlenet: 'inc3a/conv1/W' }

function dialectsOf(scheme: NameScheme, architecture: Architecture): Dialect[] {
  if (scheme.id === 'torchvision' || scheme.id === 'timm') return torchDialects(architecture)
  if (scheme.id === 'chainer') return [{ anchor: CHAINER_ANCHORS[architecture.replace(/\d+$/, '')]! }]
  return []
}

interface Found {
  readonly dialect: Dialect
  readonly prefix: string
}

/** Every place in the file where a network of this kind begins; the first dialect that is found counts. */
function findPrefixes(file: TensorFile, dialects: readonly Dialect[], separator: string): Found[] {
  for (const dialect of dialects) {
    const { anchor, rank } = dialect
    const names = [...file.entries]
      .filter(([name, { shape }]) => name.endsWith(anchor) && (rank === undefined || shape.length === rank))
      .map(([name]) => name)
    const prefixes = names.map(name => name.slice(0, -anchor.length)).filter(prefix => prefix === '' || prefix.endsWith(separator))
    if (prefixes.length > 0) return prefixes.map(prefix => ({ dialect, prefix }))
  }
  return []
}

function severalNetworks(file: TensorFile, network: Pick<Network, 'id'>, found: readonly Found[]): LayermillError {
  const places = found.map(({ prefix }) => (prefix === '' ? 'the top' : `'${prefix}'`))
  const kept = found.find(({ prefix }) => prefix !== '')!.prefix
  return new LayermillError(
    'WEIGHTS_MISMATCH',
    `${file.name} holds ${found.length} networks that could be ${network.id}: under ${places.join(', ')}`,
    {
      hint: `keep one of them in Python: save_file({k.removeprefix('${kept}'): v for k, v in load_file(path).items() if k.startswith('${kept}')}, 'one.safetensors')`,
    },
  )
}

function renamed(file: TensorFile, scheme: NameScheme, { dialect, prefix }: Found): FileView {
  const entries = new Map<string, TensorEntry>()
  const outside = new Map<string, TensorEntry>()
  const original = new Map<string, string>()
  const beside = dialect.beside?.(prefix)
  for (const [name, entry] of file.entries) {
    const inside = name.startsWith(prefix) ? name.slice(prefix.length) : undefined
    const wanted = beside?.get(name) ?? (inside === undefined ? undefined : (dialect.rename?.(inside) ?? inside))
    if (wanted === undefined) outside.set(name, entry)
    else {
      entries.set(wanted, entry)
      original.set(wanted, name)
    }
  }
  return {
    file: { ...file, entries },
    scheme,
    origin: dialect.origin ?? scheme.id,
    outside,
    nameOf: name => original.get(name) ?? prefix + name,
  }
}

/** Layers that are only counted get the names of keras.applications, and the ResNets' classifier is `probs`, as its first files call it. */
function kerasDialect(file: TensorFile, architecture: Architecture): Dialect {
  const counted = file.entries.has('conv2d/kernel') && !file.entries.has('conv1_conv/kernel') && !file.entries.has('block1_conv1/kernel')
  const shapeOf = (layer: string): readonly number[] | undefined => file.entries.get(`${layer}/kernel`)?.shape
  const isPredictions = isResnet(architecture) && !file.entries.has('probs/kernel')
  return {
    anchor: '',
    rename: name => {
      const slash = name.lastIndexOf('/')
      const layer = name.slice(0, slash)
      if (isPredictions && layer === 'predictions') return `probs${name.slice(slash)}`
      const known = counted ? (countedLayer(architecture, layer) ?? countedLinear(layer, shapeOf)) : undefined
      return known === undefined ? name : known + name.slice(slash)
    },
  }
}

/**
 * Finds the network in a file: its naming scheme, and where its names begin.
 * @throws LayermillError `WEIGHTS_MISMATCH` where the file holds several such networks.
 */
export function viewFile(file: TensorFile, network: Pick<Network, 'id' | 'architecture'>): FileView {
  const scheme = detectScheme(file)
  if (scheme.id === 'keras') return renamed(file, scheme, { dialect: kerasDialect(file, network.architecture), prefix: '' })
  const dialects = dialectsOf(scheme, network.architecture)
  const found = findPrefixes(file, dialects, scheme.id === 'chainer' ? '/' : '.')
  if (found.length > 1) throw severalNetworks(file, network, found)
  if (found.length === 1) return renamed(file, scheme, found[0]!)
  return { file, scheme, origin: scheme.id, outside: new Map(), nameOf: name => name }
}
