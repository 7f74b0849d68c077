import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { inferShapes, pruneNodes, type GraphNode, type Size2 } from '@layermill/models'
import { type LossKind, targetWidth } from '../../trainer.js'
import type { OnnxGraph, OnnxValueInfo } from '../graph.js'
import { lossGradient, softmaxLoss } from '../trainer-loss.js'
import { TrainingContext, type StatisticsOutput } from './context.js'
import { countReaders, deadZeros, joinBatchNorm, learnable, nodesWithGradient, type TrainingNode } from './plan.js'
import { backward, forward } from './rules.js'

/** A node whose scores are compared to the targets. */
export interface LossTerm {
  readonly node: string
  /** Factor of its loss. */
  readonly weight: number
  /** Default: softmax. */
  readonly loss?: LossKind
}

export interface TrainingRequest {
  /** In topological order, the input first; more than the losses need is left out. */
  readonly nodes: readonly GraphNode[]
  readonly weights: TensorMap
  /** Height and width of all images to come. */
  readonly inputSize: Size2
  /** The node whose values are given instead of images: what is before it is left out. */
  readonly start?: string
  readonly losses: readonly LossTerm[]
  /** Parameters whose gradients are wanted; they become inputs of the graph. */
  readonly trainable: readonly string[]
  /** Further parameters that become inputs. */
  readonly changing?: readonly string[]
  readonly batchStatistics: boolean
  /** Names of batch norms that use stored statistics although `batchStatistics` is true. Default: none. */
  readonly storedNorms?: readonly string[]
  readonly dropout: boolean
  /** Block size that `blockSize` found. Left out, values are not blocked. */
  readonly block?: number
}

/** A training step as a graph. The gradients are of the sum over the batch. */
export interface LoweredTraining {
  readonly graph: OnnxGraph
  /** Name of the images (or features) among the inputs. */
  readonly input: string
  /** [N, classes]: see `lossTargets` of the training library. */
  readonly targets: string
  /** Inputs by dropout node: [N, ...shape], the shape without the batch given here. */
  readonly masks: ReadonlyMap<string, { readonly input: string; readonly shape: readonly number[] }>
  /** Outputs: scores by node, gradients by parameter, statistics by batch norm. */
  readonly scores: ReadonlyMap<string, string>
  readonly gradients: ReadonlyMap<string, string>
  readonly statistics: ReadonlyMap<string, StatisticsOutput>
}

const targets = 'targets'

/** The nodes between `start` (as an input of the same name) and the losses. */
function cutNodes({ nodes, losses, start }: TrainingRequest): readonly GraphNode[] {
  const outputs = losses.map(({ node }) => node)
  if (start === undefined) return pruneNodes(nodes, outputs)
  const opened = nodes.map((node): GraphNode =>
    node.name === start ? { name: start, op: 'input', inputs: [], attributes: { channels: 0 }, parameters: undefined } : node,
  )
  return pruneNodes(opened, outputs)
}

/** Gradient of a loss with respect to its node's scores. */
function gradientOf({ node, weight, loss = { kind: 'softmax' } }: LossTerm, context: TrainingContext): string {
  const gradient = lossGradient(loss, context.value(node), targets, context.shape(node)[0]!, context)
  return weight === 1 ? gradient : context.op('Mul', [gradient, context.floats(weight)])
}

function emitAll(context: TrainingContext, nodes: readonly TrainingNode[], losses: readonly LossTerm[]): void {
  for (const node of nodes) {
    if (node.op === 'input') context.bind(node.name, node.name)
    else context.bind(node.name, forward(node, context))
  }
  for (const loss of losses) if (context.needs(loss.node)) context.accumulate(loss.node, gradientOf(loss, context))
  for (const node of nodes.toReversed()) {
    if (node.op === 'input' || !context.needs(node.name)) continue
    const gradient = context.gradient(node.name)
    if (gradient !== undefined) backward(node, gradient, context)
  }
}

/** Tells whether a batch norm, by its name, uses the statistics of the batch. */
function usesBatch({ batchStatistics, storedNorms = [] }: TrainingRequest): (norm: string) => boolean {
  const stored = new Set(storedNorms)
  return norm => batchStatistics && !stored.has(norm)
}

function checkTrainable(nodes: readonly TrainingNode[], trainable: readonly string[]): void {
  const known = new Set(nodes.flatMap(learnable))
  const unknown = trainable.find(name => !known.has(name))
  if (unknown === undefined) return
  throw new LayermillError('PARAMETER_UNKNOWN', `${unknown} is no parameter that can learn before the losses`)
}

/** Parameters that change between runs leave the constants and become inputs. */
function parameterInputs(context: TrainingContext, names: readonly string[]): OnnxValueInfo[] {
  const inputs: OnnxValueInfo[] = []
  for (const name of names) {
    const initializer = context.initializers.get(name)
    if (initializer === undefined) continue
    context.initializers.delete(name)
    inputs.push({ name, shape: initializer.shape })
  }
  return inputs
}

const batched = (shape: readonly number[]): (number | string)[] => ['N', ...shape]

/**
 * A training step as an ONNX graph of ordinary operators: the forward pass, the losses' gradient and, from the last node to the
 * first, one rule per op. What lies before the first parameter that learns is plain inference with constant weights. Batch size free.
 * @throws LayermillError `INPUT_SIZE`; `PARAMETER_UNKNOWN`; `WEIGHTS_MISSING_TENSOR`.
 */
export function lowerTraining(request: TrainingRequest): LoweredTraining {
  const { losses, trainable, weights, inputSize, dropout } = request
  const ofBatch = usesBatch(request)
  const pruned = cutNodes(request)
  const shapes = inferShapes(
    pruneNodes(
      request.nodes,
      losses.map(({ node }) => node),
    ),
    inputSize,
  )
  const outputs = new Set(losses.map(({ node }) => node))
  const variable = new Set([...trainable, ...(request.changing ?? [])])
  const nodes = joinBatchNorm(pruned, outputs, ({ name, parameters }) => !ofBatch(name) && !variable.has(parameters.mean))
  checkTrainable(nodes, trainable)
  const parameter = (name: string): Tensor => {
    const tensor = weights.get(name)
    if (tensor === undefined) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
    return tensor
  }
  const learning = new Set(trainable)
  const withGradient = nodesWithGradient(nodes, learning)
  const changing = new Set(
    nodes.filter(node => withGradient.has(node.name) || learnable(node).some(name => variable.has(name))).map(({ name }) => name),
  )
  const readers = countReaders(nodes)
  for (const name of outputs) readers.set(name, (readers.get(name) ?? 0) + 1)
  const context = new TrainingContext({
    parameter,
    shapes,
    trainable: learning,
    withGradient,
    changing,
    readers,
    deadZeros: deadZeros(nodes),
    block: request.block,
    ofBatch,
    dropout,
  })
  emitAll(context, nodes, losses)

  const input = nodes[0]!.name
  const classes = shapes.get(losses[0]!.node)![0]!
  const masks = new Map([...context.masks].map(([node, shape]) => [node, { input: `${node}/mask`, shape }]))
  const scores = new Map(losses.map(({ node }) => [node, context.value(node)]))
  const inputs: OnnxValueInfo[] = [
    { name: input, shape: batched(shapes.get(input)!) },
    ...(trainable.length > 0 ? [{ name: targets, shape: batched([targetWidth(losses[0]!.loss ?? softmaxLoss, classes)]) }] : []),
    ...[...masks.values()].map(mask => ({ name: mask.input, shape: batched(mask.shape) })),
    ...parameterInputs(context, [...trainable, ...(request.changing ?? [])]),
  ]
  return {
    graph: {
      name: 'layermill-training',
      nodes: context.nodes,
      initializers: context.initializers,
      inputs,
      outputs: outputInfos(context, scores, classes),
    },
    input,
    targets: targets,
    masks,
    scores,
    gradients: context.parameterGradients,
    statistics: context.statistics,
  }
}

function outputInfos(context: TrainingContext, scores: ReadonlyMap<string, string>, classes: number): OnnxValueInfo[] {
  return [
    ...[...scores.values()].map(name => ({ name, shape: batched([classes]) })),
    ...[...context.parameterGradients].map(([parameter, name]) => ({ name, shape: context.parameterShape(parameter) })),
    ...[...context.statistics.values()].flatMap(({ mean, variance, channels }) =>
      [mean, variance].map(name => ({ name, shape: [channels] })),
    ),
  ]
}
