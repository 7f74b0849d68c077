import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { inferShapes, pruneNodes, type GraphNode, type Size2 } from '@layermill/models'
import { TrainingContext } from '../backward/context.js'
import { countReaders, joinBatchNorm, type TrainingNode } from '../backward/plan.js'
import { backward, forward } from '../backward/rules.js'
import { int, type OnnxGraph, type OnnxValueInfo } from '../graph.js'

export interface ExplanationRequest {
  /** In topological order, the input first; more than the scores need is left out. */
  readonly nodes: readonly GraphNode[]
  readonly weights: TensorMap
  /** Height and width of all images to come. */
  readonly inputSize: Size2
  /** Node whose value is differentiated: [N, classes]. */
  readonly scores: string
  /** Nodes whose values and gradients are wanted. */
  readonly layers: readonly string[]
  /** Whether the gradient of the images is wanted too; where it is not, it is zeros, and nothing below the layers is differentiated. */
  readonly inputGradient: boolean
}

/** A network's scores and their gradients as a graph. */
export interface LoweredExplanation {
  readonly graph: OnnxGraph
  /** Name of the images among the inputs, [N, 3, H, W]. */
  readonly input: string
  /** Name of the input that weighs the scores, [N, classes]: 1 at the class of each image, else 0. */
  readonly seed: string
  /** Name of the input that weighs the highest score of each image, [1]: 1 where no class is given, else 0. */
  readonly highest: string
  /** Outputs: scores, gradient of the images; values and gradients in the order of the layers asked for. */
  readonly outputs: readonly string[]
  /** Scores of an image. */
  readonly classes: number
}

const seedInput = 'seed'
const highestInput = 'highest'

/** Names of the nodes through which a gradient passes on its way to some: all that depend on them. */
function behind(some: readonly string[], nodes: readonly TrainingNode[]): Set<string> {
  const names = new Set<string>(some)
  for (const { name, inputs } of nodes) if (inputs.some(input => names.has(input))) names.add(name)
  return names
}

/** 1 at the highest score of each image, the first of equals, else 0: [N, classes]. */
function atHighest(context: TrainingContext, scores: string): string {
  const [classes] = context.shape(scores)
  const index = context.op('ArgMax', [context.value(scores)], { axis: int(1), keepdims: int(0) })
  const [depth, values] = [context.ints(classes!), context.floats(Float32Array.of(0, 1))]
  return context.op('OneHot', [index, depth, values], { axis: int(-1) })
}

/**
 * The forward pass of inference (stored statistics, no dropout) and, from the scores to the images, one gradient rule per op. Batch free.
 * @throws LayermillError `INPUT_SIZE`, `WEIGHTS_MISSING_TENSOR`; `LAYER_UNKNOWN` for a layer that the scores do not depend on
 */
export function lowerExplanation(request: ExplanationRequest): LoweredExplanation {
  const { weights, inputSize, scores, layers } = request
  const pruned = pruneNodes(request.nodes, [scores])
  const shapes = inferShapes(pruned, inputSize)
  const wanted = new Set([...layers, scores])
  const nodes = joinBatchNorm(pruned, wanted)
  const readers = countReaders(nodes)
  // Values that leave the graph are not merged into an operator behind them.
  for (const name of wanted) readers.set(name, (readers.get(name) ?? 0) + 1)
  const names = new Set(nodes.map(({ name }) => name))
  const apart = layers.find(layer => !names.has(layer))
  if (apart !== undefined) throw new LayermillError('LAYER_UNKNOWN', `the scores of ${scores} do not depend on ${apart}`)
  const changing = behind([nodes[0]!.name], nodes)
  const withGradient = request.inputGradient ? changing : behind(layers, nodes)
  const context = new TrainingContext({
    parameter: (name): Tensor => {
      const tensor = weights.get(name)
      if (tensor === undefined) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
      return tensor
    },
    shapes,
    trainable: new Set(),
    withGradient,
    changing,
    readers,
    // Zeros matter where a value itself is looked at.
    deadZeros: new Set(),
    block: undefined,
    ofBatch: () => false,
    dropout: false,
  })
  const input = nodes[0]!.name
  for (const node of nodes) context.bind(node.name, node.op === 'input' ? node.name : forward(node, context))
  context.accumulate(scores, context.op('Add', [seedInput, context.op('Mul', [atHighest(context, scores), highestInput])]))
  for (const node of nodes.toReversed()) {
    if (node.op === 'input') continue
    const gradient = context.gradient(node.name)
    if (gradient !== undefined) backward(node, gradient, context)
  }
  const batched = (node: string): (number | string)[] => ['N', ...shapes.get(node)!]
  const outputs: OnnxValueInfo[] = []
  /** An output of its own, since a graph has each name once. */
  const give = (name: string, value: string, node: string): void => {
    outputs.push({ name: context.emit('Identity', [value], name), shape: batched(node) })
  }
  const gradientOf = (node: string): string => context.gradient(node) ?? context.op('Mul', [context.value(node), context.floats(0)])
  give('explain/scores', context.value(scores), scores)
  give('explain/input', gradientOf(input), input)
  for (const [i, layer] of layers.entries()) {
    give(`explain/value/${i}`, context.value(layer), layer)
    give(`explain/gradient/${i}`, gradientOf(layer), layer)
  }
  return {
    graph: {
      name: 'layermill-explanation',
      nodes: context.nodes,
      initializers: context.initializers,
      inputs: [
        { name: input, shape: batched(input) },
        { name: seedInput, shape: batched(scores) },
        { name: highestInput, shape: [1] },
      ],
      outputs,
    },
    input,
    seed: seedInput,
    highest: highestInput,
    outputs: outputs.map(({ name }) => name),
    classes: shapes.get(scores)![0]!,
  }
}
