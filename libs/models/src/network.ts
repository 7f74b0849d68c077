import { globMatcher, LayermillError, nearestNames } from '@layermill/core'
import type { GraphNode, GraphVariant } from './graph.js'
import { canonicalLayer, nearestToForeignLayer } from './layer-names.js'
import { withEnd } from './network-end.js'
import { networks, type TableArchitecture } from './networks/index.js'
import type { NamedLayer, Network } from './types.js'

/** Every network: the caffe family's, then torchvision's (`.tv`). */
export const networkIds: readonly string[] = [...networks.map(({ name }) => name), ...networks.map(({ name }) => `${name}.tv`)]

/**
 * The network `resnet50` (caffe family: what Chainer computes) or `resnet50.tv` (torchvision's), as its weights want it.
 * @throws LayermillError `MODEL_UNKNOWN`, naming the nearest ones.
 */
export function getNetwork(id: string, variant: GraphVariant = {}): Network {
  const torchvision = id.endsWith('.tv')
  const name = torchvision ? id.slice(0, -'.tv'.length) : id
  const definition = networks.find(candidate => candidate.name === name)
  if (definition === undefined) {
    // A network's name has no @; the name of a registered model's version has one.
    if (/^[^/\\@]+@[^/\\@]*$/.test(id)) {
      throw new LayermillError(
        'MODEL_UNKNOWN',
        `unknown model '${id}': expected NAME@latest or NAME@NUMBER for a registered model, as ${id.split('@')[0]}@latest`,
        { hint: '`layermill models list` names the registered models, `layermill models versions NAME` their versions' },
      )
    }
    const registered = /^[a-z0-9][a-z0-9._-]*$/.test(id) ? `; a registered model is named with its version, as ${id}@latest` : ''
    throw new LayermillError('MODEL_UNKNOWN', `unknown model '${id}'; expected one of ${networkIds.join(', ')}`, {
      hint: `did you mean ${nearestNames(id, networkIds).join(' or ')}?${registered}`,
    })
  }
  const family = torchvision ? 'torchvision' : 'caffe'
  const preparation = definition.preparations[torchvision ? 'torchvision' : 'chainer']
  const table = definition.table(family, variant)
  return withEnd({ id, architecture: definition.name as TableArchitecture, family, variant, preparation, ...table }, variant)
}

/** Whether the network's kind has this layer, but not with these weights. */
function isLeftOut({ id, variant }: Network, layer: string): boolean {
  return variant.without !== undefined && networkIds.includes(id) && getNetwork(id).layers.has(layer)
}

function leftOut(network: Network, layer: string): LayermillError {
  const { id, variant, nodes } = network
  const why = nodes.some(({ name }) => name === network.classifier)
    ? `they have ${network.classes === 1 ? 'a single score' : 'scores that are no shares of one whole'} at ${network.classifier}, of which no probabilities can be made`
    : `they end before ${variant.without!.join(', ')}`
  return new LayermillError('LAYER_UNKNOWN', `${id} has no layer '${layer}' with these weights: ${why}`, {
    hint: `layers up to ${network.defaultLayer} are there: extract those, train a head on them with \`layermill finetune\`, or give weights with a classifier`,
  })
}

/**
 * The one layer that a name stands for in a network that was read from a file.
 * @throws LayermillError `LAYER_UNKNOWN`, `LAYER_AMBIGUOUS`
 */
export function oneLayer(network: Network, layer: string): NamedLayer {
  const found = network.graph!.resolve(layer)
  if (found.length === 1) return found[0]!
  const names = found.slice(0, 8).map(({ name }) => name)
  throw new LayermillError('LAYER_AMBIGUOUS', `${network.id}: '${layer}' stands for ${found.length} layers, and one is needed here`, {
    hint: `name one of ${names.join(', ')}${found.length > names.length ? ', ...' : ''}`,
  })
}

/**
 * The layers that names stand for, each once, in the order asked for: those of a graph may be globs, or modules that are called several
 * times.
 * @throws LayermillError `LAYER_UNKNOWN`, `LAYER_AMBIGUOUS`
 */
export function namedLayers({ graph }: Pick<Network, 'graph'>, layers: readonly string[]): readonly NamedLayer[] {
  if (graph === undefined) return layers.map(name => ({ name, value: name }))
  return [...new Map(layers.flatMap(layer => graph.resolve(layer)).map(layer => [layer.name, layer])).values()]
}

/**
 * Node names of public layer names (of a graph: its values), in the order asked for.
 * @throws LayermillError `LAYER_UNKNOWN` for a name the network does not have, naming the nearest ones.
 */
export function resolveLayers(network: Network, layers: readonly string[]): string[] {
  if (network.graph !== undefined) return layers.map(layer => oneLayer(network, layer).value)
  return layers.map(layer => {
    const node = network.layers.get(canonicalLayer(network, layer))
    if (node !== undefined) return node
    if (isLeftOut(network, layer)) throw leftOut(network, layer)
    const foreign = nearestToForeignLayer(network, layer)
    throw new LayermillError('LAYER_UNKNOWN', `${network.id} has no layer '${layer}'`, {
      hint:
        foreign !== undefined
          ? `the nearest to it here is ${foreign}, which is behind the activation or pooling that follows; \`layermill models ${network.id}\` lists them all`
          : `did you mean ${nearestNames(layer, [...network.layers.keys()]).join(' or ')}? \`layermill models ${network.id}\` lists them all`,
    })
  })
}

/** Whether a name of `--layers` stands for several layers. */
export const isLayerPattern = (name: string): boolean => name === 'all' || name.includes('*')

/**
 * Layer names with patterns replaced by the names that they stand for, each once: `all` for every layer, `*` for any characters.
 * @throws LayermillError `LAYER_UNKNOWN` for a pattern that no layer fits
 */
export function expandLayers(network: Network, layers: readonly string[]): string[] {
  if (network.graph !== undefined)
    return namedLayers(
      network,
      layers.map(layer => (layer === 'all' ? '**' : layer)),
    ).map(({ name }) => name)
  const names = [...network.layers.keys()]
  const expanded = layers.flatMap(layer => {
    if (!isLayerPattern(layer)) return [layer]
    const pattern = layer === 'all' ? '*' : layer
    const fits = globMatcher(pattern, '')
    const found = names.filter(name => fits(name))
    if (found.length > 0) return found
    throw new LayermillError('LAYER_UNKNOWN', `${network.id} has no layer like '${layer}'`, {
      hint: `\`layermill models ${network.id}\` lists them all`,
    })
  })
  return [...new Set(expanded)]
}

/** A node by name. */
export function findNode(network: Pick<Network, 'id' | 'nodes'>, name: string): GraphNode {
  const node = network.nodes.find(candidate => candidate.name === name)
  if (node === undefined) throw new LayermillError('NODE_UNKNOWN', `${network.id} has no node '${name}'`)
  return node
}

/** The nodes that the named ones depend on, themselves included, in topological order. */
export function pruneNodes(nodes: readonly GraphNode[], outputs: readonly string[]): GraphNode[] {
  const needed = new Set(outputs)
  for (const node of nodes.toReversed()) {
    if (needed.has(node.name)) for (const input of node.inputs) needed.add(input)
  }
  return nodes.filter(node => needed.has(node.name))
}
