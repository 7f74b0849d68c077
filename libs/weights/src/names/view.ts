import { LayermillError } from '@layermill/core'
import { type Architecture, definitionOf, type Dialect, type Network, networks } from '@layermill/models'
import type { NameScheme } from './scheme.js'
import { detectScheme } from './index.js'
import type { TensorEntry, TensorFile, WeightOrigin } from '../types.js'

type Entries = ReadonlyMap<string, Pick<TensorEntry, 'shape'>>

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

function dialectsOf(scheme: NameScheme, architecture: Architecture): readonly Dialect[] {
  const parameters = definitionOf(architecture)?.parameters
  if (parameters === undefined) return []
  if (scheme.id === 'torchvision' || scheme.id === 'timm') return parameters.torchvision.dialects
  return scheme.id === 'chainer' ? [{ anchor: parameters.anchor }] : []
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

/** Position of a layer that is counted by its class: `conv2d` is 0, `conv2d_4` is 4. */
function countOf(layer: string, type: string): number | undefined {
  if (layer === type) return 0
  const match = layer.startsWith(`${type}_`) ? /^[1-9]\d*$/.exec(layer.slice(type.length + 1)) : null
  return match === null ? undefined : Number(match[0])
}

/** The name that keras.applications gives to a layer that is only counted; undefined for a layer that the network does not have. */
export function countedLayer(architecture: Architecture, layer: string, entries: Entries): string | undefined {
  const { counted, denseShapes } = definitionOf(architecture)?.parameters.keras ?? { counted: {}, denseShapes: [] }
  for (const [type, names] of Object.entries(counted)) {
    const index = countOf(layer, type)
    if (index === undefined) continue
    const shapes = type === 'dense' ? denseShapes : []
    const own = shapes.every((shape, i) => String(entries.get(`${i === 0 ? type : `${type}_${i}`}/kernel`)?.shape) === String(shape))
    return own ? names[index] : undefined
  }
  return undefined
}

/** Whether a file only counts its layers: it has none of the names of the networks' first convolutions. */
function isCounted({ entries }: TensorFile): boolean {
  const first = networks.flatMap(({ parameters }) => parameters.keras?.counted.conv2d?.[0] ?? [])
  return entries.has('conv2d/kernel') && !first.some(name => entries.has(`${name}/kernel`))
}

/** Layers that are only counted get the names of keras.applications, and those that newer files call otherwise the names of its first files. */
function kerasDialect(file: TensorFile, architecture: Architecture): Dialect {
  const counted = isCounted(file)
  const own = definitionOf(architecture)?.parameters.keras?.aliases ?? {}
  const aliases = new Map(Object.entries(own).flatMap(([name, other]) => (file.entries.has(`${name}/kernel`) ? [] : [[other, name]])))
  return {
    anchor: '',
    rename: name => {
      const slash = name.lastIndexOf('/')
      const layer = name.slice(0, slash)
      const known = aliases.get(layer) ?? (counted ? countedLayer(architecture, layer, file.entries) : undefined)
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
