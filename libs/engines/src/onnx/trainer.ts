import { elementCount, formatShape, LayermillError, sameShape, type Tensor, type TensorMap } from '@layermill/core'
import { inferShapes, isFineTuned, pruneNodes, resolveLayers, type GraphNode, type Network } from '@layermill/models'
import type { Device } from '../engine.js'
import type { EngineThreads } from '../thread/engine-threads.js'
import { buffersOf } from '../thread/transfer.js'
import {
  type BatchNormStatistics,
  type Gradients,
  type MaskInfo,
  type Scores,
  targetWidth,
  type Trainer,
  type TrainerOptions,
  type TrainingBatch,
} from '../trainer.js'
import type { LossTerm } from './backward/lower.js'
import { cutData, rowsOf, takeOver } from './batch-parts.js'
import type { Replicas } from './replicas.js'
import { openReplicas } from './open-replicas.js'
import { sliceBatch, type Slice } from './slices.js'
import { StepSum } from './step-sum.js'
import { softmaxLoss } from './trainer-loss.js'
import type { TrainerLoaded } from './trainer-protocol.js'
import { copyWeights, selectWeights, splitShared } from './weights.js'

/** The classifier, and GoogLeNet's other two where the network keeps them for training. */
function lossesOf(network: Network, { auxiliaryWeight = 0.3, loss = softmaxLoss }: TrainerOptions): LossTerm[] {
  const [, ...auxiliary] = isFineTuned(network) ? network.classifiers : []
  const terms = [{ node: network.classifier, weight: 1, loss }, ...auxiliary.map(node => ({ node, weight: auxiliaryWeight, loss }))]
  return terms.filter(({ weight }) => weight !== 0)
}

/** The nodes from `start` (which becomes an input of the same name) to the losses. */
function startAt(nodes: readonly GraphNode[], start: string | undefined, losses: readonly LossTerm[]): GraphNode[] {
  const opened = nodes.map((node): GraphNode =>
    node.name === start ? { name: start, op: 'input', inputs: [], attributes: { channels: 0 }, parameters: undefined } : node,
  )
  return pruneNodes(
    opened,
    losses.map(({ node }) => node),
  )
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
  /** Columns of the targets. */
  readonly targets: number
  readonly masks: ReadonlyMap<string, MaskInfo>
  /** Of what `setParameters` takes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>
}

/** Threads and device on which an engine's trainers compute. */
export interface TrainerPlace {
  readonly threads: EngineThreads
  readonly device: Device
  /** Threads inside one operator where one session has all of them. */
  readonly cores: number
  /** Batches are computed in slices, several at once, and parameters in shared memory are copied by the threads. */
  readonly inReplicas: boolean
  /** Is told once a trainer holds nothing any more. */
  onReleased(this: void, trainer: Trainer): void
}

/** More would keep so many copies of parameters and gradients that memory runs out before they are any faster. */
const mostReplicas = 4

/** Makes a trainer in an engine's threads. See `Engine.trainer`. */
export async function createTrainer(place: TrainerPlace, network: Network, weights: TensorMap, options: TrainerOptions): Promise<Trainer> {
  const { trainable, batchNorm = 'frozen', storedNorms = [], dropout = true, inputSize = network.inputSize, batchSize } = options
  const start = options.start === undefined ? undefined : resolveLayers(network, [options.start])[0]!
  const losses = lossesOf(network, options)
  const all = pruneNodes(
    network.nodes,
    losses.map(({ node }) => node),
  )
  const shapes = inferShapes(all, inputSize)
  const used = startAt(network.nodes, start, losses)
  if (start !== undefined && used[0]?.name !== start) {
    throw new LayermillError('LAYER_UNKNOWN', `${options.start} of ${network.id} is not the only way to ${network.classifier}`)
  }
  if (trainable.length === 0) throw new LayermillError('PARAMETER_UNKNOWN', `no parameter of ${network.id} is to learn`)
  const batchStatistics = batchNorm === 'batch'
  const statistics = batchStatistics ? statisticsOf(used.filter(({ name }) => !storedNorms.includes(name))) : []
  const selected = selectWeights({ ...network, inputSize }, all, weights, parametersOf(used))
  const unknown = trainable.find(name => !selected.has(name))
  if (unknown !== undefined) throw new LayermillError('PARAMETER_UNKNOWN', `${unknown} is no parameter of ${network.id} before its losses`)
  // Statistics are of a whole batch; and from a later layer on there is too little work.
  const sliced = place.inReplicas && !batchStatistics && start === undefined
  const learning = trainable.reduce((sum, name) => sum + selected.get(name)!.data.length, 0)
  const count = sliced && batchSize !== undefined ? Math.min(place.cores, sliceBatch(batchSize, learning).length, mostReplicas) : 1
  const threads = Math.floor(place.cores / count)
  const plan = { nodes: all, inputSize, start, losses, trainable, statistics, batchStatistics, storedNorms, dropout, threads }
  const { replicas, loaded } = await openReplicas(place.threads, {
    count,
    device: place.device,
    params: async () => ({ ...plan, weights: await copyWeights(selected) }),
  })
  const ratios = new Map(all.map(node => [node.name, node.op === 'dropout' ? node.attributes.ratio : 0]))
  const slices = (images: number): Slice[] => (sliced ? sliceBatch(images, learning) : [{ start: 0, end: images }])
  return new ThreadTrainer(
    replicas,
    { loaded, trainable, slices, readsShared: place.inReplicas, onReleased: place.onReleased },
    {
      input: shapes.get(used[0]!.name)!,
      classes: shapes.get(network.classifier)![0]!,
      targets: targetWidth(losses[0]?.loss ?? softmaxLoss, shapes.get(network.classifier)![0]!),
      masks: new Map(loaded.masks.map(([node, shape]) => [node, { ratio: ratios.get(node)!, shape }])),
      parameters: new Map([...trainable, ...statistics].map(name => [name, selected.get(name)!.shape])),
    },
  )
}

interface TrainerTraits {
  readonly loaded: TrainerLoaded
  readonly trainable: readonly string[]
  /** The slices in which so many images are computed. */
  slices(this: void, images: number): Slice[]
  /** Whether threads copy parameters from shared memory. */
  readonly readsShared: boolean
  onReleased(this: void, trainer: Trainer): void
}

/** A trainer's side in the calling thread. */
export class ThreadTrainer implements Trainer {
  readonly trainable: readonly string[]
  readonly masks: ReadonlyMap<string, MaskInfo>
  private releasing: Promise<void> | undefined
  /** Memory for gradients, each for all of them. */
  private readonly spare: Float32Array[][] = []

  constructor(
    private readonly replicas: Replicas,
    private readonly traits: TrainerTraits,
    private readonly shapes: Shapes,
  ) {
    this.trainable = traits.trainable
    this.masks = shapes.masks
  }

  async gradients(batch: TrainingBatch): Promise<Gradients> {
    const { labels, masks = new Map<string, Tensor>(), recycle } = batch
    const { gradients: names, statistics } = this.traits.loaded
    const targets = this.check(batch)
    this.checkMasks(masks, labels.length)
    const memory = recycle === undefined ? [] : names.map(name => this.recycled(name, recycle))
    const slices = this.traits.slices(labels.length)
    const parts = cutData({ labels, targets, masks }, slices)
    const { images, reused } = takeOver({ images: batch.images, reused: memory }, [batch.images, ...(recycle?.values() ?? [])])
    this.keep(reused)
    const sum = new StepSum(labels.length, this.shapes.classes)
    await this.replicas.inOrder(
      slices.length,
      ({ client, trainer }, index) => {
        const rows = slices.length === 1 ? images : rowsOf(images, slices[index]!)
        const { labels: some, targets: theirs, masks: on } = parts[index]!
        const recycled = this.spare.pop() ?? []
        const params = { trainer, images: rows, labels: some, targets: theirs, masks: on, recycle: recycled }
        return client.request('gradients', params, buffersOf([rows, theirs, ...on.values(), ...recycled.map(data => ({ data }))]))
      },
      async (result, index) => this.keep(await sum.add(result, slices[index]!)),
    )
    const { loss, correct, logits, tensors } = sum
    return {
      loss,
      correct,
      logits,
      gradients: new Map(names.map((name, i) => [name, tensors[i]!])),
      batchNorm: new Map(
        statistics.map((name, i): [string, BatchNormStatistics] => [
          name,
          { mean: tensors[names.length + 2 * i]!.data, variance: tensors[names.length + 2 * i + 1]!.data },
        ]),
      ),
    }
  }

  async evaluate(batch: Pick<TrainingBatch, 'images' | 'labels' | 'targets'>): Promise<Scores> {
    const { labels } = batch
    const targets = this.check(batch)
    const slices = this.traits.slices(labels.length)
    const parts = cutData({ labels, targets, masks: new Map() }, slices)
    const images = takeOver(batch.images, [batch.images])
    const sum = new StepSum(labels.length, this.shapes.classes)
    await this.replicas.inOrder(
      slices.length,
      ({ client, trainer }, index) => {
        const rows = slices.length === 1 ? images : rowsOf(images, slices[index]!)
        const { labels: some, targets: theirs } = parts[index]!
        return client.request('evaluate', { trainer, images: rows, labels: some, targets: theirs }, buffersOf([rows, theirs]))
      },
      async (result, index) => {
        await sum.add(result, slices[index]!)
      },
    )
    const { loss, correct, logits } = sum
    return { loss, correct, logits }
  }

  async setParameters(parameters: TensorMap): Promise<void> {
    this.assertOpen()
    for (const [name, { shape, data }] of parameters) {
      const expected = this.shapes.parameters.get(name)
      if (expected === undefined) throw new LayermillError('PARAMETER_UNKNOWN', `${name} is no parameter that this trainer learns`)
      if (!sameShape(shape, expected) || data.length !== elementCount(expected)) {
        throw new LayermillError('WEIGHTS_SHAPE', `${name} is ${formatShape(shape)}; expected ${formatShape(expected)}`)
      }
    }
    const { shared, others } = this.traits.readsShared ? splitShared(parameters) : { shared: new Map<string, Tensor>(), others: parameters }
    const copies: Map<string, Tensor>[] = []
    for (let i = 0; i < this.replicas.count; i++) copies.push(await copyWeights(others))
    await this.replicas.all(({ client, trainer }, index) => {
      const copy = copies[index]!
      return client.request('parameters', { trainer, parameters: new Map([...shared, ...copy]) }, buffersOf(copy.values()))
    })
  }

  release(): Promise<void> {
    this.releasing ??= this.replicas.release().finally(() => this.traits.onReleased(this))
    return this.releasing
  }

  /** Keeps memory for gradients to come: as much as calls need at once. */
  private keep(memory: Float32Array[] | undefined): void {
    if (memory !== undefined && memory.length > 0 && this.spare.length <= this.replicas.count) this.spare.push(memory)
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
      expectShape('the targets', targets, [labels.length, this.shapes.targets])
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
    if (data?.length === elementCount(this.shapes.parameters.get(name)!)) return data
    throw new LayermillError('WEIGHTS_SHAPE', `the recycled gradient of ${name} has ${data?.length ?? 0} values`)
  }
}

function expectShape(what: string, { shape, data }: Tensor, expected: readonly number[]): void {
  if (sameShape(shape, expected) && data.length === elementCount(expected)) return
  throw new LayermillError('INPUT_SHAPE', `${what} must be ${formatShape(expected)}, not ${formatShape(shape)} of ${data.length} values`)
}
