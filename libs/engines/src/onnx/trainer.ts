import {
  elementCount,
  formatShape,
  inferShapes,
  isFineTuned,
  LayermillError,
  pruneNodes,
  resolveLayers,
  sameShape,
  type GraphNode,
  type Network,
  type Tensor,
  type TensorMap,
} from '@layermill/models'
import type { ThreadClient } from '../thread/client.js'
import { buffersOf } from '../thread/transfer.js'
import type { BatchNormStatistics, Gradients, MaskInfo, Scores, Trainer, TrainerOptions, TrainingBatch } from '../trainer.js'
import type { LossTerm } from './backward/lower.js'
import type { StepResult, TrainerLoaded, TrainParams } from './trainer-protocol.js'
import { copyWeights, selectWeights } from './weights.js'

/** The classifier, and GoogLeNet's other two where the network keeps them for training. */
function lossesOf(network: Network, auxiliaryWeight: number): LossTerm[] {
  const [, ...auxiliary] = isFineTuned(network) ? network.classifiers : []
  const terms = [{ node: network.classifier, weight: 1 }, ...auxiliary.map(node => ({ node, weight: auxiliaryWeight }))]
  return terms.filter(({ weight }) => weight !== 0)
}

/** The nodes from `start` (which becomes an input of the same name) to the losses. */
function startAt(nodes: readonly GraphNode[], start: string | undefined, losses: readonly LossTerm[]): GraphNode[] {
  const opened = nodes.map((node): GraphNode =>
    node.name === start ? { name: start, op: 'input', inputs: [], attributes: { channels: 0 }, parameters: undefined } : node)
  return pruneNodes(opened, losses.map(({ node }) => node))
}

function statisticsOf(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap(node => (node.op === 'batchNorm' ? [node.parameters.mean, node.parameters.variance] : []))
}

function parametersOf(nodes: readonly GraphNode[]): Set<string> {
  return new Set(nodes.flatMap(({ parameters }) => Object.values<string>(parameters ?? {})))
}

interface Shapes {
  readonly input: readonly number[]
  readonly classes: number
  readonly masks: ReadonlyMap<string, MaskInfo>
}

/** Makes a trainer in an engine's thread. See `Engine.trainer`. */
export async function createTrainer(client: ThreadClient, network: Network, weights: TensorMap, options: TrainerOptions): Promise<Trainer> {
  const { trainable, batchNorm = 'frozen', dropout = true, inputSize = network.inputSize, auxiliaryWeight = 0.3 } = options
  const start = options.start === undefined ? undefined : resolveLayers(network, [options.start])[0]!
  const losses = lossesOf(network, auxiliaryWeight)
  const all = pruneNodes(network.nodes, losses.map(({ node }) => node))
  const shapes = inferShapes(all, inputSize)
  const used = startAt(network.nodes, start, losses)
  if (start !== undefined && used[0]?.name !== start) {
    throw new LayermillError('LAYER_UNKNOWN', `${options.start} of ${network.id} is not the only way to ${network.classifier}`)
  }
  if (trainable.length === 0) throw new LayermillError('PARAMETER_UNKNOWN', `no parameter of ${network.id} is to learn`)
  const statistics = batchNorm === 'batch' ? statisticsOf(used) : []
  const params: TrainParams = {
    nodes: all,
    weights: await copyWeights(selectWeights({ ...network, inputSize }, all, weights, parametersOf(used))),
    inputSize,
    start,
    losses,
    trainable,
    statistics,
    batchStatistics: batchNorm === 'batch',
    dropout,
  }
  const unknown = trainable.find(name => !params.weights.has(name))
  if (unknown !== undefined) throw new LayermillError('PARAMETER_UNKNOWN', `${unknown} is no parameter of ${network.id} before its losses`)
  const loaded = await client.request('train', params, buffersOf(params.weights.values()))
  const ratios = new Map(all.map(node => [node.name, node.op === 'dropout' ? node.attributes.ratio : 0]))
  const masks = new Map(loaded.masks.map(([node, shape]) => [node, { ratio: ratios.get(node)!, shape }]))
  return new ThreadTrainer(client, loaded, params, { input: shapes.get(used[0]!.name)!, classes: shapes.get(network.classifier)![0]!, masks })
}

class ThreadTrainer implements Trainer {
  readonly trainable: readonly string[]
  readonly masks: ReadonlyMap<string, MaskInfo>
  private readonly parameterShapes: ReadonlyMap<string, readonly number[]>
  private releasing: Promise<void> | undefined

  constructor(
    private readonly client: ThreadClient,
    private readonly loaded: TrainerLoaded,
    params: TrainParams,
    private readonly shapes: Shapes,
  ) {
    this.trainable = params.trainable
    this.masks = shapes.masks
    this.parameterShapes = new Map([...params.trainable, ...params.statistics].map(name => [name, params.weights.get(name)!.shape]))
  }

  async gradients(batch: TrainingBatch): Promise<Gradients> {
    const { trainer, gradients: names, statistics } = this.loaded
    const { images, labels, masks = new Map<string, Tensor>(), recycle } = batch
    const targets = this.check(batch)
    this.checkMasks(masks, labels.length)
    const reused = recycle === undefined ? [] : names.map(name => this.recycled(name, recycle))
    const sent = new Map([...masks].map(([name, { shape, data }]) => [name, { shape, data }]))
    const params = { trainer, images, labels, targets, masks: sent, recycle: reused }
    const result = await this.client.request('gradients', params, buffersOf([images, ...(recycle?.values() ?? [])]))
    const first = 1 + names.length
    return {
      ...scores(result),
      gradients: new Map(names.map((name, i) => [name, result.tensors[1 + i]!])),
      batchNorm: new Map(statistics.map((name, i): [string, BatchNormStatistics] =>
        [name, { mean: result.tensors[first + 2 * i]!.data, variance: result.tensors[first + 2 * i + 1]!.data }])),
    }
  }

  async evaluate(batch: Pick<TrainingBatch, 'images' | 'labels' | 'targets'>): Promise<Scores> {
    const { images, labels } = batch
    const targets = this.check(batch)
    return scores(await this.client.request('evaluate', { trainer: this.loaded.trainer, images, labels, targets }, buffersOf([images])))
  }

  async setParameters(parameters: TensorMap): Promise<void> {
    this.assertOpen()
    for (const [name, { shape, data }] of parameters) {
      const expected = this.parameterShapes.get(name)
      if (expected === undefined) throw new LayermillError('PARAMETER_UNKNOWN', `${name} is no parameter that this trainer learns`)
      if (!sameShape(shape, expected) || data.length !== elementCount(expected)) {
        throw new LayermillError('WEIGHTS_SHAPE', `${name} is ${formatShape(shape)}; expected ${formatShape(expected)}`)
      }
    }
    const copies = await copyWeights(parameters)
    await this.client.request('parameters', { trainer: this.loaded.trainer, parameters: copies }, buffersOf(copies.values()))
  }

  release(): Promise<void> {
    this.releasing ??= this.free()
    return this.releasing
  }

  private async free(): Promise<void> {
    try {
      await this.client.request('releaseTrainer', { trainer: this.loaded.trainer })
    } catch (error) {
      // What a closed or crashed engine held is freed.
      if (!(error instanceof LayermillError && error.code === 'ENGINE_FAILED')) throw error
    }
  }

  private assertOpen(): void {
    if (this.releasing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'this trainer has been released')
  }

  /** Throws before anything is sent; the targets to use. */
  private check({ images, labels, targets }: Pick<TrainingBatch, 'images' | 'labels' | 'targets'>): Tensor {
    this.assertOpen()
    const { classes, input } = this.shapes
    expectShape('the images', images, [labels.length, ...input])
    if (labels.length === 0) throw new LayermillError('INPUT_SHAPE', 'a batch needs at least one image')
    const wrong = labels.find(label => label < 0 || label >= classes)
    if (wrong !== undefined) throw new LayermillError('LABEL_INVALID', `label ${wrong}; expected 0 to ${classes - 1}`)
    if (targets !== undefined) {
      expectShape('the targets', targets, [labels.length, classes])
      return { shape: targets.shape, data: targets.data }
    }
    const data = new Float32Array(labels.length * classes)
    for (const [row, label] of labels.entries()) data[row * classes + label] = 1
    return { shape: [labels.length, classes], data }
  }

  private checkMasks(masks: TensorMap, count: number): void {
    for (const [node, { shape }] of this.masks) {
      const mask = masks.get(node)
      if (mask === undefined) throw new LayermillError('INPUT_SHAPE', `no mask for dropout ${node} (${formatShape([count, ...shape])})`)
      expectShape(`the mask of ${node}`, mask, [count, ...shape])
    }
    const unknown = [...masks.keys()].find(node => !this.masks.has(node))
    if (unknown !== undefined) throw new LayermillError('INPUT_SHAPE', `a mask for ${unknown}, which is no dropout of this trainer`)
  }

  private recycled(name: string, recycle: TensorMap): Float32Array {
    const data = recycle.get(name)?.data
    if (data?.length === elementCount(this.parameterShapes.get(name)!)) return data
    throw new LayermillError('WEIGHTS_SHAPE', `the recycled gradient of ${name} has ${data?.length ?? 0} values`)
  }
}

function scores({ loss, correct, tensors }: StepResult): Scores {
  return { loss, correct, logits: tensors[0]! }
}

function expectShape(what: string, { shape, data }: Tensor, expected: readonly number[]): void {
  if (sameShape(shape, expected) && data.length === elementCount(expected)) return
  throw new LayermillError('INPUT_SHAPE', `${what} must be ${formatShape(expected)}, not ${formatShape(shape)} of ${data.length} values`)
}

