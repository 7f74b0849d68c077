import type { Engine, Trainer } from '@layermill/engines'
import type { TrainingPlan } from '@layermill/contracts'
import { elementCount, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { isFineTuned, networkFromDescription, preparedWith, type Network } from '@layermill/models'
import type { ManifestRow } from '@layermill/storage'
import {
  BatchSchedule,
  countHeads,
  evaluationPieces,
  initialHead,
  lossTargets,
  type MicroBatchGradients,
  type MicroBatchScores,
  type MixedCounts,
  type MixedHead,
  mixedTargets,
  type PublishedParameters,
  targetRows,
  writeDropoutMask,
} from '@layermill/training'
import type { PhaseClock } from '../part/phase-clock.js'
import { lossOf } from './loss-of.js'
import type { Inputs } from './image-inputs.js'

/**
 * The fine-tuned network of a plan.
 * @param base the network that the run's spec names
 */
export function plannedNetwork({ network, resample, input }: Pick<TrainingPlan, 'network' | 'resample' | 'input'>, base: Network): Network {
  return preparedWith(networkFromDescription(network, base), { resample, input })
}

/** The base's weights with the head's first values. */
export function initialParameters(network: Network, base: TensorMap, seed: number): Map<string, Tensor> {
  if (!isFineTuned(network)) throw new LayermillError('HEAD_INVALID', `${network.id} has no head`)
  return new Map([...base, ...initialHead(network, seed)])
}

/** Batch norms whose running statistics stay while others' move: they go on with the stored ones. */
function storedNorms(network: Network, { statistics }: Pick<TrainingPlan, 'statistics'>): string[] {
  return network.nodes.flatMap(node => (node.op === 'batchNorm' && !statistics.includes(node.parameters.mean) ? [node.name] : []))
}

export interface TrainingSessionOptions {
  readonly plan: TrainingPlan
  readonly engine: Engine
  /** As the run's spec names it. */
  readonly base: Network
  /** Of the base network. */
  readonly baseWeights: TensorMap
  readonly inputs: Inputs
  /** Tells how long micro-batches are read, decoded and computed. */
  readonly clock: PhaseClock
  /** Whether inputs are values of `plan.features` instead of images. */
  readonly fromFeatures: boolean
  readonly training: readonly ManifestRow[]
  readonly validation: readonly ManifestRow[]
}

/** Inputs of a micro-batch, ready before the one before it is done. */
interface Ready {
  readonly images: Tensor
  readonly labels: Int32Array
  readonly targets: Tensor
  readonly masks: Map<string, Tensor>
}

/** One fine-tuning run on one engine: makes micro-batches and differentiates them. */
export class TrainingSession {
  private readonly schedule: BatchSchedule<ManifestRow>
  private readonly pieces: readonly (readonly ManifestRow[])[]
  private readonly classes: ReadonlyMap<string, number>
  /** Images with a value of each of several targets: of all that are held out, and of a step's batch. */
  private heldOut: MixedCounts | undefined
  private counted: { readonly step: number; readonly counts: MixedCounts } | undefined
  private version = -1
  /** Setting parameters and posting work with them must not be torn apart. */
  private posting: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly trainer: Trainer,
    private readonly options: TrainingSessionOptions,
  ) {
    const { plan, training, validation } = options
    this.schedule = new BatchSchedule(training, {
      seed: plan.seed,
      batchSize: plan.batchSize,
      microBatchSize: plan.microBatch,
      balanceBy: plan.sampling === 'balanced' ? ({ label }) => label ?? '' : undefined,
    })
    this.pieces = evaluationPieces(validation, plan.microBatch)
    this.classes = new Map(plan.classes.map((name, i) => [name, i]))
  }

  /** Busy time of this session's micro-batches. */
  get clock(): PhaseClock {
    return this.options.clock
  }

  static async open(options: TrainingSessionOptions): Promise<TrainingSession> {
    const { plan, engine, base, baseWeights, fromFeatures } = options
    const network = plannedNetwork(plan, base)
    const trainer = await engine.trainer(network, initialParameters(network, baseWeights, plan.seed), {
      trainable: plan.trainable,
      batchNorm: plan.batchNorm,
      storedNorms: storedNorms(network, plan),
      inputSize: [plan.inputSize.height, plan.inputSize.width],
      auxiliaryWeight: plan.auxiliaryWeight,
      batchSize: plan.microBatch,
      loss: lossOf(plan.target),
      ...(fromFeatures ? { start: plan.features } : {}),
    })
    return new TrainingSession(trainer, options)
  }

  /** Reads and prepares a training micro-batch; may be called ahead of `gradients`. */
  async prepare(step: number, micro: number): Promise<Ready> {
    const { epoch, step: planned } = this.schedule.step(step)
    const rows = planned.microBatches[micro]?.items
    if (rows === undefined) throw new LayermillError('BATCH_INVALID', `step ${step} has no micro-batch ${micro}`)
    const images = await this.options.inputs.read({ rows, side: 'training', epoch })
    const counts = (heads: readonly MixedHead[]): MixedCounts => {
      if (this.counted?.step !== step)
        this.counted = {
          step,
          counts: countHeads(
            planned.microBatches.flatMap(({ items }) => items),
            heads,
          ),
        }
      return this.counted.counts
    }
    return { images, ...this.targets(rows, counts), masks: this.masks(rows, step) }
  }

  /** Reads and prepares a piece of the held-out images. */
  async prepareEvaluation(piece: number): Promise<Ready> {
    const rows = this.pieces[piece]
    if (rows === undefined) throw new LayermillError('BATCH_INVALID', `there is no piece ${piece} of the held-out images`)
    const images = await this.options.inputs.read({ rows, side: 'validation', epoch: 0 })
    const counts = (heads: readonly MixedHead[]): MixedCounts => (this.heldOut ??= countHeads(this.pieces.flat(), heads))
    return { images, ...this.targets(rows, counts), masks: new Map() }
  }

  /** Gradients with a version of the parameters, which `load` gets where it is not the one at hand. */
  async gradients(
    ready: Ready,
    version: number,
    load: () => Promise<PublishedParameters>,
    recycle?: TensorMap,
  ): Promise<MicroBatchGradients> {
    const result = await this.post(version, load, () => this.trainer.gradients({ ...ready, ...(recycle === undefined ? {} : { recycle }) }))
    const { loss, correct, gradients, batchNorm } = await result()
    return { samples: ready.labels.length, loss, correct, gradients, batchNorm }
  }

  async evaluate({ images, labels, targets }: Ready, version: number, load: () => Promise<PublishedParameters>): Promise<MicroBatchScores> {
    const result = await this.post(version, load, () => this.trainer.evaluate({ images, labels, targets }))
    const { loss, correct, logits } = await result()
    return { samples: labels.length, loss, correct, logits }
  }

  /** @throws LayermillError where what it is fed with cannot be reached at all from here */
  async reachable(): Promise<void> {
    await this.options.inputs.reachable?.()
  }

  async close(): Promise<void> {
    await this.trainer.release()
    await this.options.inputs.close()
  }

  /** Sets the version where it is another one, and posts work right behind it; the engine keeps the order. Does not wait for the work. */
  private async post<Result>(
    version: number,
    load: () => Promise<PublishedParameters>,
    work: () => Promise<Result>,
  ): Promise<() => Promise<Result>> {
    const posted = this.posting.then(async () => {
      if (this.version !== version) {
        const { parameters, statistics } = await load()
        await this.trainer.setParameters(new Map([...parameters, ...statistics]))
        this.version = version
      }
      const result = this.options.clock.during('compute', work)
      // Awaited by the caller in its turn.
      result.catch(() => undefined)
      return () => result
    })
    this.posting = posted.catch(() => undefined)
    return posted
  }

  /** @param counts of the whole batch that the rows are of */
  private targets(
    rows: readonly ManifestRow[],
    counts: (heads: readonly MixedHead[]) => MixedCounts,
  ): { labels: Int32Array; targets: Tensor } {
    const { classes, classWeights, labelSmoothing, target } = this.options.plan
    if (target?.kind === 'mixed') return { labels: new Int32Array(rows.length), targets: mixedTargets(rows, target, counts(target.heads)) }
    if (target !== undefined) return { labels: new Int32Array(rows.length), targets: targetRows(rows, classes, target) }
    const labels = Int32Array.from(rows, ({ key, label }) => {
      const index = this.classes.get(label ?? '')
      if (index === undefined)
        throw new LayermillError('LABEL_INVALID', `${key} is labelled ${label ?? 'nothing'}, which is no class of the run`)
      return index
    })
    return {
      labels,
      targets: lossTargets(labels, classes.length, { labelSmoothing, ...(classWeights === undefined ? {} : { classWeights }) }),
    }
  }

  private masks(rows: readonly ManifestRow[], step: number): Map<string, Tensor> {
    const { plan } = this.options
    const masks = new Map<string, Tensor>()
    for (const [node, { ratio, shape }] of this.trainer.masks) {
      const size = elementCount(shape)
      const data = new Float32Array(rows.length * size)
      if (plan.dropoutOff.includes(node)) data.fill(1)
      else
        for (const [i, { key }] of rows.entries())
          writeDropoutMask(data.subarray(i * size, (i + 1) * size), { seed: plan.seed, key, step }, node, ratio)
      masks.set(node, { shape: [rows.length, ...shape], data })
    }
    return masks
  }
}
