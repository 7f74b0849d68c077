import type { FinetuneSpec, TrainingPlan } from '@layermill/contracts'
import { LayermillError, type Tensor } from '@layermill/core'
import type { Network } from '@layermill/models'
import type { ManifestRow } from '@layermill/storage'
import {
  BatchSchedule,
  earlyStoppingStart,
  type GradientSource,
  GradientSum,
  type MicroBatchGradients,
  observeEpoch,
  Optimizer,
  type RunLength,
  scheduleFactor,
  shouldStop,
  type Step,
  updateRunningStatistics,
} from '@layermill/training'
import { type CheckpointStore, noSums, type SavedTraining, type TrainingState } from './checkpoints.js'
import type { TrainingProgress } from './environment.js'
import { evaluateRows } from './evaluate.js'
import { heldOutFigures, type MetricsLine } from './metrics-line.js'
import { optimizerSpec, scheduleOf } from './plan.js'

export interface LoopOptions {
  readonly spec: FinetuneSpec
  readonly plan: TrainingPlan
  readonly network: Network
  readonly training: readonly ManifestRow[]
  readonly validation: readonly ManifestRow[]
  /** Factors of what learns. */
  readonly scales: ReadonlyMap<string, number>
  /** First values of what learns and of the running statistics that move; changed in place. */
  readonly initial: ReadonlyMap<string, Tensor>
  readonly source: GradientSource
  readonly checkpoints: CheckpointStore
  readonly signal: AbortSignal
  readonly onProgress: (progress: TrainingProgress) => void
  /** Called after each epoch, and at the start with those of an earlier term. */
  readonly onEpoch: (lines: readonly MetricsLine[]) => Promise<void>
}

export interface TrainedParameters {
  readonly state: TrainingState
  /** Of the best epoch where something is held out, else the last ones. */
  readonly parameters: ReadonlyMap<string, Tensor>
}

function tensorOf(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new LayermillError('PARAMETER_UNKNOWN', `there are no first values of ${name}`)
  return tensor
}

/** Copies in memory that nothing shares, which every reader takes. */
function ownCopies(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
}

/** Trains: step after step, epoch after epoch, from wherever the latest checkpoint is. */
class TrainingLoop {
  private readonly schedule: BatchSchedule<ManifestRow>
  private readonly optimizer: Optimizer
  private readonly length: RunLength
  private readonly parameters: ReadonlyMap<string, Tensor>
  private readonly norms = new Map<string, { mean: string; variance: string; decay: number }>()
  private state: TrainingState = { step: 0, sums: noSums, lines: [], stopping: earlyStoppingStart, best: undefined, stopped: false }
  private saved = 0
  private images = 0
  /** Whether parameters and state are not those of one step: during an update, and after one that failed. */
  private torn = false

  constructor(private readonly options: LoopOptions) {
    const { spec, plan, network, training, initial, scales } = options
    this.schedule = new BatchSchedule(training, {
      seed: plan.seed,
      batchSize: plan.batchSize,
      microBatchSize: plan.microBatch,
      balanceBy: plan.sampling === 'balanced' ? ({ label }) => label ?? '' : undefined,
    })
    this.length = { stepsPerEpoch: this.schedule.stepsPerEpoch, steps: this.schedule.stepsPerEpoch * spec.epochs }
    const shapes = new Map(plan.trainable.map(name => [name, tensorOf(initial, name).shape]))
    this.optimizer = new Optimizer(optimizerSpec(spec), shapes, scales)
    this.parameters = this.optimizer.place(initial)
    for (const node of network.nodes) {
      if (node.op !== 'batchNorm' || !plan.statistics.includes(node.parameters.mean)) continue
      this.norms.set(node.parameters.gamma.replace(/\/gamma$/, ''), { ...node.parameters, decay: node.attributes.decay })
    }
  }

  async run(): Promise<TrainedParameters> {
    const { spec, checkpoints, onEpoch, signal } = this.options
    const saved = await checkpoints.latest()
    if (saved !== undefined) this.restore(saved)
    await onEpoch(this.state.lines)
    await this.publish()
    try {
      while (!this.state.stopped && this.state.lines.length < spec.epochs) {
        signal.throwIfAborted()
        if (this.state.step === (this.state.lines.length + 1) * this.length.stepsPerEpoch) await this.finishEpoch()
        else await this.step()
      }
    } catch (error) {
      // Nothing of a step that was stopped has changed the parameters; an update that failed half way has.
      if (signal.aborted && !this.torn) await this.save()
      throw error
    } finally {
      await this.optimizer.close()
    }
    return { state: this.state, parameters: (await checkpoints.best()) ?? ownCopies(this.parameters) }
  }

  private restore({ state, parameters, optimizer }: SavedTraining): void {
    for (const [name, { data }] of this.parameters) {
      const values = parameters.get(name)?.data
      if (values?.length !== data.length)
        throw new LayermillError('CHECKPOINT_MISMATCH', `the checkpoint of step ${state.step} has no ${name} of ${data.length} values`)
      data.set(values)
    }
    this.optimizer.restore(optimizer)
    this.state = state
    this.saved = state.step
  }

  private parameter(name: string): Tensor {
    return tensorOf(this.parameters, name)
  }

  private async publish(): Promise<void> {
    const { plan, source } = this.options
    const pick = (names: readonly string[]): Map<string, Tensor> => new Map(names.map(name => [name, this.parameter(name)]))
    await source.publish({ version: this.state.step, parameters: pick(plan.trainable), statistics: pick(plan.statistics) })
  }

  private async step(): Promise<void> {
    const { spec } = this.options
    const { step } = this.schedule.step(this.state.step)
    const sum = new GradientSum()
    const norms = await this.addAll(sum, step)
    const { gradients, samples, loss, accuracy } = sum.total()
    const factor = scheduleFactor(scheduleOf(spec), this.state.step, this.length)
    this.torn = true
    const { gradientNorm } = await this.optimizer.update(this.parameters, gradients, { factor, samples })
    this.options.source.recycle(gradients)
    for (const statistics of norms) this.moveStatistics(statistics)
    const { sums } = this.state
    this.state = {
      ...this.state,
      step: this.state.step + 1,
      sums: {
        samples: sums.samples + samples,
        loss: sums.loss + loss * samples,
        correct: sums.correct + Math.round(accuracy * samples),
        gradientNorm: sums.gradientNorm + gradientNorm,
        steps: sums.steps + 1,
      },
    }
    this.torn = false
    this.images += samples
    await this.publish()
    this.progress('train', this.state.sums.steps, this.length.stepsPerEpoch)
    if (spec.checkpointSteps !== undefined && this.state.step % spec.checkpointSteps === 0) await this.save()
  }

  private async addAll(sum: GradientSum, step: Step<ManifestRow>): Promise<MicroBatchGradients['batchNorm'][]> {
    const { source, signal } = this.options
    const statistics: MicroBatchGradients['batchNorm'][] = []
    let index = 0
    for await (const part of source.gradients(this.state.step, step.microBatches.length, signal)) {
      await sum.add(index, part)
      statistics.push(part.batchNorm)
      // The first one's arrays hold the sum.
      if (index > 0) source.recycle(part.gradients)
      index++
    }
    signal.throwIfAborted()
    return statistics
  }

  /** Micro-batch after micro-batch, as if each had been a forward pass of its own. */
  private moveStatistics(batches: MicroBatchGradients['batchNorm']): void {
    for (const [norm, { mean, variance, decay }] of this.norms) {
      const batch = batches.get(norm)
      if (batch === undefined) throw new LayermillError('GRADIENT_MISSING', `there are no statistics of ${norm}`)
      updateRunningStatistics(this.parameter(mean).data, this.parameter(variance).data, batch, decay)
    }
  }

  private async finishEpoch(): Promise<void> {
    const { spec, plan, validation, source, signal, checkpoints, onEpoch } = this.options
    const epoch = this.state.lines.length + 1
    const { sums } = this.state
    const onPiece = (done: number, pieces: number): void => this.progress('validate', done, pieces)
    const evaluation = validation.length === 0 ? undefined : await evaluateRows({ plan, rows: validation, source, epoch, signal, onPiece })
    const stopping = evaluation === undefined ? this.state.stopping : observeEpoch(this.state.stopping, epoch, evaluation.summary.loss)
    const best = evaluation === undefined || stopping.bestEpoch === epoch
    const line: MetricsLine = {
      epoch,
      step: this.state.step,
      learningRate: spec.learningRate * scheduleFactor(scheduleOf(spec), this.state.step - 1, this.length),
      training: { loss: sums.loss / sums.samples, ...this.accuracy },
      gradientNorm: sums.gradientNorm / sums.steps,
      ...(evaluation === undefined ? {} : { validation: heldOutFigures(evaluation.summary) }),
      best,
    }
    // Before the checkpoint that says which epoch is the best: a run stopped in between computes the same again.
    if (evaluation !== undefined && best) await checkpoints.writeBest(this.parameters, epoch)
    this.state = {
      ...this.state,
      sums: noSums,
      lines: [...this.state.lines, line],
      stopping,
      best: best ? evaluation : this.state.best,
      stopped: evaluation !== undefined && spec.earlyStopping !== undefined && shouldStop(stopping, spec.earlyStopping),
    }
    await this.save(true)
    await onEpoch(this.state.lines)
  }

  private async save(always = false): Promise<void> {
    if (!always && this.saved === this.state.step) return
    await this.options.checkpoints.write({ state: this.state, parameters: new Map(this.parameters), optimizer: this.optimizer.state })
    this.saved = this.state.step
  }

  private progress(phase: 'train' | 'validate', step: number, steps: number): void {
    const { spec, training } = this.options
    const { sums, lines } = this.state
    const imagesDone = lines.length * training.length + sums.samples
    this.options.onProgress({
      phase,
      epoch: lines.length + 1,
      epochs: spec.epochs,
      step,
      steps,
      images: this.images,
      imagesLeft: spec.epochs * training.length - imagesDone,
      loss: sums.loss / Math.max(1, sums.samples),
      ...this.accuracy,
    })
  }

  /** Share of the epoch's images that are right so far; of numbers and of several targets none is. */
  private get accuracy(): { accuracy?: number } {
    const { correct, samples } = this.state.sums
    const { target } = this.options.plan
    return target?.kind === 'regression' || target?.kind === 'mixed' ? {} : { accuracy: correct / Math.max(1, samples) }
  }
}

/**
 * Trains to the end, or to where it stops early. Stopped at any moment and called again, it ends with the same bits.
 * @throws the signal's reason, after a checkpoint; LayermillError `GRADIENT_NOT_FINITE`, `CHECKPOINT_MISMATCH`, and as the source does
 */
export async function trainLoop(options: LoopOptions): Promise<TrainedParameters> {
  return new TrainingLoop(options).run()
}
