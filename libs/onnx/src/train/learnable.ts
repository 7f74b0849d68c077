import { elementCount } from '@layermill/core'
import type { LearnableTensor } from '@layermill/models'
import { needed } from '../depends.js'
import { scopesOf } from '../names/scopes.js'
import { weightOf } from '../names/weights.js'
import type { Graph } from '../read/normalise.js'
import { float, float16, type NodeDef, type TensorDef } from '../types.js'

/** Inputs of each operator that hold what it learned. */
const weights: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Einsum: [0, 1],
  Gemm: [0, 1, 2],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
  RMSNormalization: [1],
  SimplifiedLayerNormalization: [1],
  'com.microsoft.Attention': [1, 2],
  'com.microsoft.BiasGelu': [1],
  'com.microsoft.FastGelu': [1],
  'com.microsoft.FusedConv': [1, 2],
  'com.microsoft.FusedGemm': [0, 1, 2],
  'com.microsoft.FusedMatMul': [0, 1],
  'com.microsoft.MultiHeadAttention': [3],
  'com.microsoft.SkipLayerNormalization': [2, 3, 4],
  'com.microsoft.SkipSimplifiedLayerNormalization': [2, 3],
}
/** Operators that products and norms are built of: biases, factors of layers, tokens and positions are their operands. */
const operands = new Set(['Add', 'Concat', 'Expand', 'Gather', 'Mul', 'Where'])

/** Names that say what a tensor is instead of whose weight. */
const constants = /mask|index|indices|running_|mean$|std$|var$/i
/** Names of what is learned and is no weight of a product: tokens, positions, factors of layers. */
const learned = /\.|embed|token|pos|gamma|beta|weight|bias|scale|register/i
/** Names that an exporter made up. */
const madeUp = /^(?:onnx::|\/|val_|const|_v_|\d)/

/** Whether all sides but one are 1: a bias, a factor of each channel. */
const isVector = ({ dims }: TensorDef): boolean => dims.filter(side => side !== 1).length === 1

/** Innermost last: the modules that a node lies in, and those that the name of its weight tells of. */
function modulesOf(node: NodeDef, weight: string): string[] {
  const at = weight.lastIndexOf('.')
  const named = at <= 0 || madeUp.test(weight) ? [] : weight.split('.').slice(0, -1)
  const byName = named.map((_, i) => named.slice(0, i + 1).join('.'))
  return [...new Set([...(scopesOf(node)?.paths ?? []), ...byName])]
}

/** Finds the tensors of one graph that can learn. */
class Learnable {
  readonly found = new Map<string, { shape: readonly number[]; modules: string[] }>()
  /** Values behind a product: what is added to pixels before is no bias. */
  private readonly behind = new Set<string>()

  constructor(
    private readonly graph: Graph,
    /** Tensors of the file itself: those of Constant nodes are constants unless a product takes them. */
    private readonly own: ReadonlyMap<string, TensorDef>,
  ) {}

  visit(node: NodeDef): void {
    const places = weights[node.domain === '' ? node.op : `${node.domain}.${node.op}`] ?? []
    for (const place of places) this.add(node, node.inputs[place])
    if (node.domain === '' && operands.has(node.op)) for (const input of node.inputs) if (this.isOperand(node, input)) this.add(node, input)
    this.pass(node, places.length > 0)
  }

  private pass(node: NodeDef, isProduct = false): void {
    if (isProduct || node.inputs.some(input => this.behind.has(input))) for (const output of node.outputs) this.behind.add(output)
  }

  private isOperand(node: NodeDef, input: string): boolean {
    const name = weightOf(this.graph, input)
    const tensor = name === undefined ? undefined : this.own.get(name)
    if (name === undefined || tensor === undefined || constants.test(name)) return false
    const isNamed = !madeUp.test(name) && learned.test(name)
    // A constant that is joined to the images' tokens is one itself, whatever an exporter made of its name.
    if (node.op === 'Concat') return isNamed || (!madeUp.test(name) && node.inputs.some(other => this.behind.has(other)))
    if (node.op === 'Gather') return isNamed && node.inputs[0] === input
    if (node.op === 'Expand' || node.op === 'Where') return isNamed
    return node.inputs.some(other => this.behind.has(other)) && (isNamed || isVector(tensor))
  }

  private add(node: NodeDef, input: string | undefined): void {
    const name = weightOf(this.graph, input ?? '')
    const tensor = name === undefined ? undefined : this.graph.initializers.get(name)
    if (name === undefined || tensor === undefined || (tensor.type !== float && tensor.type !== float16)) return
    // A single number is a constant of a formula.
    if (elementCount(tensor.dims) <= 1) return
    const modules = this.found.get(name)?.modules ?? []
    this.found.set(name, { shape: tensor.dims, modules: [...new Set([...modules, ...modulesOf(node, name)])] })
  }
}

/** The tensors before a value that can learn, in the order of the graph: weights and biases of products and norms, tokens, positions. */
export function learnableTensors(graph: Graph, own: ReadonlyMap<string, TensorDef>, value: string): Map<string, LearnableTensor> {
  const learnable = new Learnable(graph, own)
  for (const index of [...needed(graph, [value])].toSorted((a, b) => a - b)) learnable.visit(graph.nodes[index]!)
  return learnable.found
}
