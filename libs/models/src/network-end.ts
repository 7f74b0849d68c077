import type { GraphNode, GraphVariant } from './graph.js'
import { definitionOf } from './networks/index.js'
import type { Network } from './types.js'

/** The link whose parameters a node has: `fc6` of `fc6/W`. */
function linkOf(node: GraphNode): string | undefined {
  return node.op === 'linear' ? node.parameters.weight.slice(0, -'/W'.length) : undefined
}

/** Nodes that remain without some links or nodes, and without all that depends on them. */
function remaining(nodes: readonly GraphNode[], without: ReadonlySet<string>): GraphNode[] {
  const gone = new Set<string>()
  return nodes.filter(node => {
    const link = linkOf(node)
    const goes = without.has(node.name) || (link !== undefined && without.has(link)) || node.inputs.some(input => gone.has(input))
    if (goes) gone.add(node.name)
    return !goes
  })
}

function resized(node: GraphNode, { architecture, classifier }: Network, { classes, auxiliaryClasses }: GraphVariant): GraphNode {
  const isAuxiliary = definitionOf(architecture)?.auxiliary?.classifiers.includes(node.name) === true
  const outFeatures = node.name === classifier ? classes : isAuxiliary ? auxiliaryClasses : undefined
  return node.op !== 'linear' || outFeatures === undefined ? node : { ...node, attributes: { ...node.attributes, outFeatures } }
}

/**
 * A network of 1000 classes with the end that its weights have: another number of classes, or none of its last layers.
 * Without its classifier, `classes` is 0 and `classifier` and `probabilities` name no node: asking for them says why.
 */
export function withEnd(network: Network, variant: GraphVariant): Network {
  const { classes, auxiliaryClasses, without = [] } = variant
  if (classes === undefined && auxiliaryClasses === undefined && without.length === 0) return network
  const nodes = remaining(network.nodes, new Set(without)).map(node => resized(node, network, variant))
  const present = new Set(nodes.map(({ name }) => name))
  const layers = new Map([...network.layers].filter(([, node]) => present.has(node)))
  const availableLayers = network.availableLayers.filter(name => layers.has(name))
  const defaultLayer = layers.has(network.defaultLayer) ? network.defaultLayer : availableLayers.at(-1)!
  return {
    ...network,
    nodes,
    layers,
    availableLayers,
    defaultLayer,
    classes: present.has(network.classifier) ? (classes ?? network.classes) : 0,
  }
}
