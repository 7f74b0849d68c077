import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { inferShapes, pruneNodes, type GraphNode, type Size2 } from '@layermill/models'
import type { OnnxGraph, OnnxValueInfo } from '../graph.js'
import { Int8Context } from '../int8/context.js'
import type { Range } from '../int8/parameters.js'
import { planInt8 } from '../int8/plan.js'
import { lowerInt8Node } from '../int8/rules.js'
import { LoweringContext, type AveragingInput } from './context.js'
import { foldBatchNorm } from './fold.js'
import { channelCounts } from './lrn.js'
import { lowerNode } from './rules.js'

export interface LowerRequest {
  /** In topological order, the input first; more than the outputs need is left out. */
  readonly nodes: readonly GraphNode[]
  readonly weights: TensorMap
  /** Names of the nodes whose values are wanted. */
  readonly outputs: readonly string[]
  /** Height and width of all images to come; left out, the graph takes any. */
  readonly inputSize?: Size2
  /** Weights may be overwritten: they are a copy that nobody else reads. Default false. */
  readonly overwriteWeights?: boolean
  /** Computes in int8, with these ranges of the values (`planInt8`'s points). Default: float32. */
  readonly ranges?: ReadonlyMap<string, Range>
  /** Computes LRN as products, which the CPU does many times faster. Default: as ONNX's operator, which any runtime knows. */
  readonly lrnAsProducts?: boolean
}

export interface Lowered {
  readonly graph: OnnxGraph
  /** Name of the images among the graph's inputs. */
  readonly input: string
  /** The graph's output for each node asked for; two nodes of the same value (a dropout and what it reads) share one. */
  readonly outputs: ReadonlyMap<string, string>
  /** Inputs besides the images, which depend on their size. */
  readonly averaging: readonly AveragingInput[]
}

function sizesOf(nodes: readonly GraphNode[], inputSize: Size2 | undefined): (node: string) => Size2 | undefined {
  if (inputSize === undefined) return () => undefined
  const shapes = inferShapes(nodes, inputSize)
  return node => {
    const shape = shapes.get(node)
    return shape?.length === 3 ? [shape[1]!, shape[2]!] : undefined
  }
}

/** Nodes of which every value is [N, features] rather than [N, C, H, W]. */
function flatNodes(nodes: readonly GraphNode[]): Set<string> {
  const flat = new Set<string>()
  for (const { name, op, inputs } of nodes) {
    if (op === 'linear' || op === 'flatten' || inputs.some(input => flat.has(input))) flat.add(name)
  }
  return flat
}

/** An output of its own for every value asked for; the images themselves, and what is nothing but them, through an Identity. */
function bindOutputs(context: LoweringContext, outputs: readonly string[], input: string): Map<string, string> {
  const bound = new Map<string, string>()
  for (const node of outputs) {
    const value = context.value(node)
    bound.set(node, value === input ? context.emit('Identity', [value], `${node}/copy`) : value)
  }
  return bound
}

function graphInputs(input: GraphNode, inputSize: Size2 | undefined, averaging: readonly AveragingInput[]): OnnxValueInfo[] {
  if (input.op !== 'input') throw new LayermillError('GRAPH_INVALID', `a network starts with its input, not with ${input.op} ${input.name}`)
  const images = { name: input.name, shape: ['N', input.attributes.channels, inputSize?.[0] ?? 'H', inputSize?.[1] ?? 'W'] }
  const matrices = averaging.map(({ name, axis, parts }) => ({
    name,
    shape: axis === 'height' ? [parts, `${name}/length`] : [`${name}/length`, parts],
  }))
  return [images, ...matrices]
}

/**
 * A network's nodes as an ONNX graph: pruned to the outputs, batch norm folded into convolutions, dropout gone, weights as
 * initializers that are views on the given ones wherever folding did not change them. The batch size is free.
 * @throws LayermillError `INPUT_SIZE` where `inputSize` is given and too small or unfit; `GRAPH_INVALID` for nodes that start with no
 * input.
 */
export function lower(request: LowerRequest): Lowered {
  const { outputs, inputSize } = request
  const pruned = pruneNodes(request.nodes, outputs)
  const sizeOf = sizesOf(pruned, inputSize)
  const options = { outputs: new Set(outputs), inPlace: request.overwriteWeights ?? false }
  const { nodes, weights } = foldBatchNorm(pruned, request.weights, options)
  const parameter = (name: string): Tensor => {
    const tensor = weights.get(name)
    if (tensor === undefined) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
    return tensor
  }
  const lrnChannels = request.lrnAsProducts === true ? channelCounts(nodes) : undefined
  const int8 =
    request.ranges === undefined
      ? undefined
      : new Int8Context(parameter, sizeOf, planInt8(nodes, options.outputs), request.ranges, lrnChannels)
  const context = int8 ?? new LoweringContext(parameter, sizeOf, lrnChannels)
  const input = nodes[0]!
  context.bind(input.name, input.name)
  for (const node of nodes.slice(1)) {
    if (node.op === 'input') throw new LayermillError('GRAPH_INVALID', `a network has one input, but ${node.name} is another`)
    if (int8 === undefined) lowerNode(node, context)
    else lowerInt8Node(node, int8)
  }
  const bound = bindOutputs(context, outputs, input.name)
  const flat = flatNodes(nodes)
  const graph = {
    name: 'layermill',
    nodes: context.nodes,
    initializers: context.initializers,
    inputs: graphInputs(input, inputSize, context.averaging),
    outputs: valueInfos(bound, flat),
  }
  return { graph, input: input.name, outputs: bound, averaging: context.averaging }
}

function valueInfos(bound: ReadonlyMap<string, string>, flat: ReadonlySet<string>): OnnxValueInfo[] {
  const infos = new Map<string, OnnxValueInfo>()
  for (const [node, value] of bound) {
    const dims = flat.has(node) ? ['N', `${value}/features`] : ['N', `${value}/channels`, `${value}/height`, `${value}/width`]
    infos.set(value, { name: value, shape: dims })
  }
  return [...infos.values()]
}
