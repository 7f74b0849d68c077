import { elementCount, LayermillError } from '@layermill/core'
import type { GraphNode, GraphVariant, Size2 } from './graph.js'
import { findNode, getNetwork, oneLayer, pruneNodes, resolveLayers } from './network.js'
import { definitionOf, networks } from './networks/index.js'
import { layerShapes, parameterShapes, type Shape } from './shapes.js'
import type { LearnableTensor, Network, NetworkGraph } from './types.js'

/** A linear layer with ReLU, and dropout in training where a ratio is given. */
export interface HiddenLayer {
  readonly units: number
  /** Share of the units zeroed in training, 0 <= ratio < 1. Left out or 0: no dropout. */
  readonly dropout?: number
}

/**
 * Meaning of a head's scores. `class`: one of the classes, by softmax. `multi-label`: each class by itself, by sigmoid. `regression`: the
 * numbers themselves, which nothing follows.
 */
export const headTargets = ['class', 'multi-label', 'regression'] as const
export type HeadTarget = (typeof headTargets)[number]

/** Answers of a model where they are not one class of several. */
export type ModelTarget =
  | {
      readonly kind: 'multi-label'
      /** Probability above which each class is given, 0 to 1. */
      readonly thresholds: readonly number[]
    }
  | { readonly kind: 'regression' }

/**
 * The target of a model that says so.
 * @param thresholds by class; one half each where they do not fit
 */
export function modelTarget(kind: string | undefined, classes: number, thresholds?: unknown): ModelTarget | undefined {
  if (kind === 'regression') return { kind }
  if (kind !== 'multi-label') return undefined
  const list: readonly unknown[] = Array.isArray(thresholds) ? thresholds : []
  const fits = list.length === classes && list.every((value): value is number => typeof value === 'number' && value >= 0 && value <= 1)
  return { kind, thresholds: fits ? list : Array.from({ length: classes }, () => 0.5) }
}

/** Head that replaces the end of a network. */
export interface HeadSpec {
  /** The public layer to cut behind, or the network's classifier, which is then replaced. */
  readonly layer: string
  /** 0 to 2 hidden layers before the classifier, first to last. */
  readonly head?: readonly HiddenLayer[]
  /** The classes' names in the order of the scores, or only how many. At least 2; at least 1 with another target than `class`. */
  readonly classes: readonly string[] | number
  /** Default: `class`. */
  readonly target?: HeadTarget
  /** GoogLeNet's auxiliary classifiers stay, with the new classes; only where `layer` is the classifier. */
  readonly auxiliary?: boolean
  /** Input size that the head is made for. Flattened feature maps depend on it. Default: the base's own. */
  readonly inputSize?: Size2
}

/** A network with a head of its own. */
export interface FineTunedNetwork extends Network {
  /** The network it was cut from. */
  readonly base: Network
  readonly head: HeadSpec
  /** Names of the classes, where they were given. */
  readonly classNames: readonly string[] | undefined
  /** Nodes whose scores are trained: the classifier, then the auxiliary ones. */
  readonly classifiers: readonly string[]
  /** Nodes that the base does not have, or not with these parameters: what starts from random numbers. */
  readonly newNodes: readonly string[]
}

export const isFineTuned = (network: Network): network is FineTunedNetwork => 'head' in network

const maxHidden = 2
const auxiliaryClassifiers = ({ architecture }: Network): readonly string[] => definitionOf(architecture)?.auxiliary?.classifiers ?? []

/** Names of the networks that have auxiliary classifiers. */
export const networksWithAuxiliary: readonly string[] = networks.filter(({ auxiliary }) => auxiliary !== undefined).map(({ name }) => name)

type Linear = Extract<GraphNode, { op: 'linear' }>

function linear(name: string, input: string, inFeatures: number, outFeatures: number): Linear {
  const parameters = { weight: `${name}/W`, bias: `${name}/b` }
  return { name, op: 'linear', inputs: [input], attributes: { inFeatures, outFeatures }, parameters }
}

/** `name`, or `name2`, `name3`, ... where a base that is fine-tuned itself has it already. */
function unusedName(wanted: string, isTaken: (name: string) => boolean): string {
  for (let i = 1; ; i++) {
    const name = i === 1 ? wanted : `${wanted}${i}`
    if (!isTaken(name)) return name
  }
}

/** Tells which names nodes have. */
const namesOf = (nodes: readonly GraphNode[]): ((name: string) => boolean) => {
  const names = new Set(nodes.map(({ name }) => name))
  return name => names.has(name)
}

const invalid = (message: string, hint?: string): LayermillError =>
  new LayermillError('HEAD_INVALID', message, hint === undefined ? {} : { hint })

function checkHead(network: Network, spec: HeadSpec): void {
  const { head = [], classes, layer, auxiliary = false } = spec
  const count = typeof classes === 'number' ? classes : classes.length
  const least = spec.target === undefined || spec.target === 'class' ? 2 : 1
  if (spec.target !== undefined && !headTargets.includes(spec.target)) throw invalid(`target: expected one of ${headTargets.join(', ')}`)
  if (!Number.isInteger(count) || count < least) throw invalid(`a head needs at least ${least} class${least > 1 ? 'es' : ''}, not ${count}`)
  if (typeof classes !== 'number' && new Set(classes).size !== count) throw invalid('two classes have the same name')
  if (head.length > maxHidden) throw invalid(`a head has at most ${maxHidden} hidden layers, not ${head.length}`)
  for (const { units, dropout = 0 } of head) {
    if (!Number.isInteger(units) || units < 1) throw invalid(`a hidden layer has a positive number of units, not ${units}`)
    if (!(dropout >= 0 && dropout < 1)) throw invalid(`dropout is a ratio from 0 to below 1, not ${dropout}`)
  }
  if ((network.graph === undefined ? network.layers.get(layer) : layer) === network.probabilities) {
    throw invalid(
      `cannot cut ${network.id} at ${layer}: probabilities are no features`,
      `use ${network.classifier} to replace the classifier`,
    )
  }
  if (!auxiliary) return
  if (network.graph !== undefined) throw invalid('auxiliary: a network from an ONNX file has no auxiliary classifiers')
  if (layer !== network.classifier) throw invalid(`auxiliary classifiers need --layer ${network.classifier}, not ${layer}`)
  const classifiers = auxiliaryClassifiers(network)
  if (classifiers.length === 0 || !classifiers.every(name => network.nodes.some(node => node.name === name))) {
    const having = networksWithAuxiliary.flatMap(name => [name, `${name}.tv`])
    throw invalid(`${network.id} has no auxiliary classifiers`, `only ${having.join(' and ')} have them`)
  }
}

interface Stem {
  nodes: readonly GraphNode[]
  /** Whether a name is in use before the head. */
  isTaken: (name: string) => boolean
  /** The node that the head reads, its number of features, and what the new classifier is called. */
  features: string
  count: number
  classifier: string
}

function cut(network: Network, spec: HeadSpec, inputSize: Size2): Stem {
  const node = resolveLayers(network, [spec.layer])[0]!
  if (node !== network.classifier) {
    const nodes = pruneNodes(network.nodes, [node])
    const count = elementCount(layerShapes(network, [spec.layer], inputSize).get(spec.layer)!)
    const isTaken = namesOf(nodes)
    return { nodes, isTaken, features: node, count, classifier: unusedName('fc', isTaken) }
  }
  // Only the default size is sure to suit a linear layer; any other is refused here, by name of the layer.
  layerShapes(network, [spec.layer], inputSize)
  const old = findNode(network, node) as Linear
  const features = old.inputs[0]!
  const nodes = pruneNodes(network.nodes, [features])
  return { nodes, isTaken: namesOf(nodes), features, count: old.attributes.inFeatures, classifier: node }
}

/** The values of a graph's layer as the input of a head: the graph itself stays with the base. */
function cutGraph(network: Network, graph: NetworkGraph, layer: string, inputSize: Size2): Stem {
  const shape = layerShapes(network, [layer], inputSize).get(layer)!
  const node: GraphNode = { name: layer, op: 'input', inputs: [], attributes: { channels: 0, shape }, parameters: undefined }
  // A parameter is called after its node.
  const isTaken = (name: string): boolean => [name, `${name}/W`, `${name}/b`, `${name}/linear`].some(other => graph.isTaken(other))
  return { nodes: [node], isTaken, features: layer, count: elementCount(shape), classifier: unusedName('fc', isTaken) }
}

/** The base's auxiliary branches with new classifiers: nodes to append, old ones left out. */
function auxiliaryNodes(network: Network, present: ReadonlySet<string>, classes: number): GraphNode[] {
  const classifiers = auxiliaryClassifiers(network)
  return pruneNodes(network.nodes, classifiers)
    .filter(node => !present.has(node.name))
    .map(node =>
      node.op === 'linear' && classifiers.includes(node.name)
        ? { ...node, attributes: { ...node.attributes, outFeatures: classes } }
        : node,
    )
}

/** Operators that follow the scores: none behind numbers. */
const endOps = { class: 'softmax', 'multi-label': 'sigmoid', regression: undefined } as const

interface Head {
  readonly nodes: GraphNode[]
  /** Hidden layers, then what is not hidden. */
  readonly layers: string[]
  /** The layer that the classifier reads; undefined where that is the cut. */
  readonly features: string | undefined
  readonly probabilities: string
}

function headNodes(stem: Stem, { head: hidden = [], target = 'class' }: HeadSpec, classes: number): Head {
  const nodes: GraphNode[] = []
  const layers: string[] = []
  const taken = new Set<string>()
  let { features, count } = stem
  for (const { units, dropout = 0 } of hidden) {
    let index = layers.length + 1
    while (taken.has(`hidden${index}`) || stem.isTaken(`hidden${index}`)) index++
    const name = `hidden${index}`
    taken.add(name)
    const weights = { weight: `${name}/W`, bias: `${name}/b` }
    const activation = dropout > 0 ? `${name}/relu` : name
    nodes.push({ ...linear(`${name}/linear`, features, count, units), parameters: weights })
    nodes.push({ name: activation, op: 'relu', inputs: [`${name}/linear`], attributes: {}, parameters: undefined })
    if (dropout > 0) nodes.push({ name, op: 'dropout', inputs: [activation], attributes: { ratio: dropout }, parameters: undefined })
    layers.push(name)
    features = name
    count = units
  }
  nodes.push(linear(stem.classifier, features, count, classes))
  const found = { nodes, features: layers.at(-1) }
  const op = endOps[target]
  if (op === undefined) return { ...found, layers: [...layers, stem.classifier], probabilities: stem.classifier }
  const probabilities = unusedName('prob', stem.isTaken)
  nodes.push({ name: probabilities, op, inputs: [stem.classifier], attributes: {}, parameters: undefined })
  return { ...found, layers: [...layers, stem.classifier, probabilities], probabilities }
}

/**
 * The network cut behind a layer (feature maps are flattened C, H, W), with 0 to 2 hidden layers (`hidden1`, `hidden2`) and a new
 * classifier `fc`, and the probabilities `prob`. Where the layer is the classifier itself, that one is replaced under its own name,
 * and with `auxiliary` GoogLeNet's other two as well. All layers up to the cut remain available.
 * @throws LayermillError `LAYER_UNKNOWN`; `INPUT_SIZE`; `HEAD_INVALID` for a head that cannot be.
 */
export function fineTunedNetwork(network: Network, spec: HeadSpec): FineTunedNetwork {
  const { graph } = network
  if (graph !== undefined) return onGraph(network, graph, { ...spec, layer: oneLayer(network, spec.layer).name })
  checkHead(network, spec)
  const classes = typeof spec.classes === 'number' ? spec.classes : spec.classes.length
  const inputSize = spec.inputSize ?? network.inputSize
  const stem = cut(network, spec, inputSize)
  const head = headNodes(stem, spec, classes)
  const main = [...stem.nodes, ...head.nodes]
  const nodes = spec.auxiliary === true ? [...main, ...auxiliaryNodes(network, new Set(main.map(({ name }) => name)), classes)] : main

  const present = new Set(nodes.map(({ name }) => name))
  const kept = [...network.layers].filter(([layer, node]) => present.has(node) && !head.layers.includes(layer))
  const layers = new Map([...kept, ...head.layers.map(name => [name, name] as const)])
  const auxiliary = spec.auxiliary === true ? auxiliaryClassifiers(network) : []
  const last = head.features ?? stem.features
  const features = [...layers].find(([, node]) => node === last)?.[0]
  return {
    ...network,
    id: `${network.id}@${spec.layer}`,
    base: network,
    head: spec,
    nodes,
    layers,
    availableLayers: [...network.availableLayers.filter(name => layers.has(name) && !head.layers.includes(name)), ...head.layers],
    defaultLayer: features ?? stem.classifier,
    classifier: stem.classifier,
    classifiers: [stem.classifier, ...auxiliary],
    newNodes: [...head.nodes.filter(({ op }) => op === 'linear').map(({ name }) => name), ...auxiliary],
    probabilities: head.probabilities,
    classes,
    classNames: typeof spec.classes === 'number' ? undefined : spec.classes,
    inputSize,
  }
}

/** A head on a layer of a graph. Its table begins with the values of the layer, which `base` computes. */
function onGraph(network: Network, graph: NetworkGraph, spec: HeadSpec): FineTunedNetwork {
  checkHead(network, spec)
  const classes = typeof spec.classes === 'number' ? spec.classes : spec.classes.length
  const inputSize = spec.inputSize ?? network.inputSize
  const stem = cutGraph(network, graph, spec.layer, inputSize)
  const { nodes, layers, features, probabilities } = headNodes(stem, spec, classes)
  const names = [spec.layer, ...layers]
  return {
    ...network,
    graph: undefined,
    id: `${network.id}@${spec.layer}`,
    base: network,
    head: spec,
    nodes: [...stem.nodes, ...nodes],
    layers: new Map(names.map(name => [name, name])),
    availableLayers: names,
    defaultLayer: features ?? spec.layer,
    classifier: stem.classifier,
    classifiers: [stem.classifier],
    newNodes: nodes.filter(({ op }) => op === 'linear').map(({ name }) => name),
    probabilities,
    classes,
    classNames: typeof spec.classes === 'number' ? undefined : spec.classes,
    inputSize,
  }
}

/** Names and shapes of all parameters of a fine-tuned network, and of the tensors of a graph below it that can learn. */
export function learnableShapes(network: FineTunedNetwork): Map<string, Shape> {
  const below = network.base.graph?.learnable(network.head.layer) ?? new Map<string, LearnableTensor>()
  return new Map([...[...below].map(([name, { shape }]) => [name, shape] as const), ...parameterShapes(network)])
}

/** A network as JSON: enough to make it again. */
export interface NetworkDescription {
  /** `resnet50`, or the description of a fine-tuned network that was cut again. */
  readonly base: string | NetworkDescription
  readonly variant: GraphVariant
  readonly head?: HeadSpec
}

/** Description of a network, as plain JSON. `networkFromDescription` makes the same network from it. */
export function networkDescription(network: Network): NetworkDescription {
  if (!isFineTuned(network)) return { base: network.id, variant: network.variant }
  const { base, head, variant } = network
  return { base: isFineTuned(base) ? networkDescription(base) : base.id, variant, head }
}

/**
 * The network of a description.
 * @param file the network of an ONNX file that the description may be on: what is in no table here
 * @throws LayermillError `MODEL_UNKNOWN`, `LAYER_UNKNOWN`, `HEAD_INVALID`.
 */
export function networkFromDescription(description: NetworkDescription, file?: Network): Network {
  const { base, variant, head } = description
  const network = typeof base !== 'string' ? networkFromDescription(base, file) : base === file?.id ? file : getNetwork(base, variant)
  return head === undefined ? network : fineTunedNetwork(network, head)
}
