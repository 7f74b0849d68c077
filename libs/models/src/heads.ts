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
 * Meaning of scores. `class`: one of the classes, by softmax. `multi-label`: each class by itself, by sigmoid. `regression`: the numbers
 * themselves, which nothing follows.
 */
export const sliceTargets = ['class', 'multi-label', 'regression'] as const
export type SliceTarget = (typeof sliceTargets)[number]
/** Meaning of a head's scores. `mixed`: several targets, whose scores lie end to end. */
export const headTargets = [...sliceTargets, 'mixed'] as const
export type HeadTarget = (typeof headTargets)[number]

/** One of several targets of a head: its part of the scores. */
export interface HeadSlice {
  readonly name: string
  readonly target: SliceTarget
  /** Names of its classes, or of its numbers, in the order of the scores. */
  readonly classes: readonly string[]
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
  /** Of a `mixed` target, in the order of the scores; `classes` are then those of all of them, end to end. */
  readonly slices?: readonly HeadSlice[]
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
  /** Layers of the answers of each of several targets, in their order; empty where the head has one target. */
  readonly answers: readonly string[]
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

function checkSlices({ target, slices = [], auxiliary }: HeadSpec, count: number): void {
  if (target !== 'mixed' || slices.length < 2) throw invalid(`a mixed head needs two targets or more, not ${slices.length}`)
  if (auxiliary === true) throw invalid('auxiliary classifiers have one target, not several')
  const names = new Set(slices.map(({ name }) => name))
  if (names.size < slices.length) throw invalid('two targets of a head have the same name')
  for (const { name, target: kind, classes } of slices) {
    if (!sliceTargets.includes(kind)) throw invalid(`${name}: expected one of ${sliceTargets.join(', ')}`)
    const least = kind === 'class' ? 2 : 1
    if (classes.length < least) throw invalid(`${name} needs at least ${least} class${least > 1 ? 'es' : ''}, not ${classes.length}`)
  }
  const outputs = slices.reduce((sum, { classes }) => sum + classes.length, 0)
  if (outputs !== count) throw invalid(`the targets of a head have ${outputs} scores, not ${count}`)
}

function checkHead(network: Network, spec: HeadSpec): void {
  const { head = [], classes, layer, auxiliary = false } = spec
  const count = typeof classes === 'number' ? classes : classes.length
  const least = spec.target === undefined || spec.target === 'class' ? 2 : 1
  if (spec.target !== undefined && !headTargets.includes(spec.target)) throw invalid(`target: expected one of ${headTargets.join(', ')}`)
  if (spec.target === 'mixed' || spec.slices !== undefined) checkSlices(spec, count)
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

interface HeadEnd {
  readonly nodes: readonly GraphNode[]
  /** Answers of each of several targets. */
  readonly answers: readonly string[]
  /** Layers behind the scores, all answers last. */
  readonly layers: readonly string[]
}

/** Answers of each target under its name, then all of them end to end. */
function mixedEnd(classifier: string, slices: readonly HeadSlice[], isTaken: (name: string) => boolean): HeadEnd {
  const nodes: GraphNode[] = []
  const names = new Set([classifier])
  const own = (wanted: string): string => {
    const name = unusedName(wanted, other => names.has(other) || isTaken(other))
    names.add(name)
    return name
  }
  const joined = own('prob')
  let from = 0
  const answers = slices.map(({ name, target, classes }) => {
    const to = from + classes.length
    const op = endOps[target]
    const answer = own(name)
    const scores = op === undefined ? answer : own(`${classifier}/${name}`)
    nodes.push({ name: scores, op: 'slice', inputs: [classifier], attributes: { from, to }, parameters: undefined })
    if (op !== undefined) nodes.push({ name: answer, op, inputs: [scores], attributes: {}, parameters: undefined })
    from = to
    return answer
  })
  nodes.push({ name: joined, op: 'concat', inputs: answers, attributes: {}, parameters: undefined })
  return { nodes, answers, layers: [...answers, joined] }
}

function headEnd(classifier: string, { target = 'class', slices = [] }: HeadSpec, isTaken: (name: string) => boolean): HeadEnd {
  if (target === 'mixed') return mixedEnd(classifier, slices, isTaken)
  const op = endOps[target]
  if (op === undefined) return { nodes: [], answers: [], layers: [] }
  const name = unusedName('prob', isTaken)
  return { nodes: [{ name, op, inputs: [classifier], attributes: {}, parameters: undefined }], answers: [], layers: [name] }
}

interface Head {
  readonly nodes: GraphNode[]
  /** Hidden layers, then what is not hidden. */
  readonly layers: string[]
  /** The layer that the classifier reads; undefined where that is the cut. */
  readonly features: string | undefined
  readonly probabilities: string
  readonly answers: readonly string[]
}

function headNodes(stem: Stem, spec: HeadSpec, classes: number): Head {
  const { head: hidden = [] } = spec
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
  const end = headEnd(stem.classifier, spec, name => taken.has(name) || stem.isTaken(name))
  nodes.push(...end.nodes)
  return {
    nodes,
    features: layers.at(-1),
    answers: end.answers,
    layers: [...layers, stem.classifier, ...end.layers],
    probabilities: end.layers.at(-1) ?? stem.classifier,
  }
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
    answers: head.answers,
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
  const { nodes, layers, features, probabilities, answers } = headNodes(stem, spec, classes)
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
    answers,
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
