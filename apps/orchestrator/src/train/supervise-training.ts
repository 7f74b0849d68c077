import { type FinetuneSpec, type HistoryEntry, type RunRecord, SUCCESS_PATH, type Waiting } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError, receivedCode, type Tensor } from '@layermill/core'
import { type Network, networkFromDescription, preparedWith, isFineTuned, type FineTunedNetwork } from '@layermill/models'
import type { WeightSet } from '@layermill/weights'
import type { Store } from '@layermill/storage'
import type { GradientSource } from '@layermill/training'
import { registerRun } from '../registry/register-run.js'
import { writeRunRecord } from '../run/record-store.js'
import { WorkerWatch } from '../run/worker-watch.js'
import { CheckpointStore } from './checkpoints.js'
import { startingHead } from './continued-head.js'
import type { TrainingEnvironment, TrainingProgress } from './environment.js'
import { trainLoop, type TrainedParameters } from './loop.js'
import { encodeMetrics, type MetricsLine } from './metrics-line.js'
import { writeModel } from './outputs.js'
import { parameterScales } from './plan.js'
import { type PreparedTraining, prepareTraining } from './prepare-training.js'
import { writeReport } from './report/write-report.js'

export interface SuperviseTrainingOptions {
  readonly environment: TrainingEnvironment
  readonly store: Store
  readonly signal: AbortSignal
  readonly onProgress?: (progress: TrainingProgress) => void
  readonly onEpoch?: (line: MetricsLine) => void
  readonly onWarning?: (text: string) => void
  /** Told what somebody may want to know of the run's head. */
  readonly onNote?: (text: string) => void
  /** Told how many images and classes there are, before anything is trained. */
  readonly onDataset?: (dataset: NonNullable<RunRecord['dataset']>) => void
  /** Told what the training waits for while workers compute it; undefined where it goes on. */
  readonly onWaiting?: (waiting: Waiting | undefined) => void
  /** Told what became of the model in the registry that the spec names. */
  readonly onRegistered?: (entry: HistoryEntry) => void
  /** Computes from images also where the base is frozen and its features could be stored: to hold one way against the other. */
  readonly generalPath?: boolean
}

const METRICS_PATH = 'metrics.jsonl'

/** Carries one fine-tuning run out. */
class TrainingSupervision {
  private record: RunRecord
  private shown = 0

  constructor(
    record: RunRecord,
    private readonly options: SuperviseTrainingOptions,
  ) {
    this.record = record
  }

  async run(): Promise<RunRecord> {
    const { environment, signal } = this.options
    const started = environment.runs.now().getTime()
    try {
      const { network, weights } = await environment.base(this.spec)
      const prepared = await this.prepare(network)
      const tuned = this.network(prepared)
      const trained = await this.train(prepared, tuned, network, weights)
      return await this.finish(prepared, tuned, network, weights, trained, started)
    } catch (error) {
      // An interrupted run stays as it is in the store: whoever comes next goes on from there.
      if (signal.aborted) throw error
      return await this.fail(error)
    }
  }

  private get spec(): FinetuneSpec {
    if (this.record.spec.kind !== 'finetune')
      throw new LayermillError('SPEC_INVALID', `kind: got ${this.record.spec.kind}, expected finetune`)
    return this.record.spec
  }

  private async prepare(base: Network): Promise<PreparedTraining> {
    const {
      environment,
      store,
      signal,
      generalPath = false,
      onProgress = () => undefined,
      onWarning = () => undefined,
      onNote = () => undefined,
    } = this.options
    const prepared = await prepareTraining({
      record: this.record,
      store,
      environment,
      signal,
      onProgress,
      onWarning,
      onNote,
      base,
      generalPath,
    })
    this.record = prepared.record
    const { images, classes } = prepared.plan
    this.options.onDataset?.({ ...images, classes: classes.length })
    await this.save({ state: 'running' })
    return prepared
  }

  private network({ plan }: PreparedTraining): FineTunedNetwork {
    const network = networkFromDescription(plan.network)
    if (!isFineTuned(network)) throw new LayermillError('HEAD_INVALID', `${network.id} has no head`)
    return preparedWith(network, plan)
  }

  private async train(
    prepared: PreparedTraining,
    network: FineTunedNetwork,
    baseNetwork: Network,
    base: WeightSet,
  ): Promise<TrainedParameters> {
    const { environment, store, signal, onProgress = () => undefined } = this.options
    const { plan, training, validation, features } = prepared
    const { spec } = this
    const first = new Map([...base.tensors, ...startingHead(network, baseNetwork, base.tensors, spec.seed)])
    const initial = new Map([...plan.trainable, ...plan.statistics].map((name): [string, Tensor] => [name, first.get(name)!]))
    const source: GradientSource = await environment.gradients(this.record, plan, store, features)
    const unfit = new AbortController()
    const watch = features === undefined ? this.watch(error => unfit.abort(error)) : undefined
    try {
      return await trainLoop({
        spec,
        plan,
        network,
        training,
        validation,
        scales: parameterScales(spec, network),
        initial,
        source,
        checkpoints: new CheckpointStore(store, this.record.id, spec.keepCheckpoints),
        signal: AbortSignal.any([signal, unfit.signal]),
        onProgress,
        onEpoch: lines => this.onEpoch(lines),
      })
    } finally {
      watch?.stop()
      await source.close()
    }
  }

  /** Follows what the training waits for, where workers compute it. */
  private watch(onUnfit: (error: LayermillError) => void): WorkerWatch | undefined {
    const { runs } = this.options.environment
    if (runs.workers === undefined) return undefined
    return new WorkerWatch({
      run: this.record.id,
      workers: async () => (await runs.workers?.()) ?? [],
      trouble: () => runs.trouble?.(),
      jobsAreTold: false,
      unfitDeadline: runs.unfitDeadline,
      onWaiting: waiting => this.options.onWaiting?.(waiting),
      onUnfit,
    })
  }

  /** The file follows the checkpoints: an epoch that is not in one will come again. */
  private async onEpoch(lines: readonly MetricsLine[]): Promise<void> {
    await this.options.store.put(METRICS_PATH, encodeMetrics(lines))
    for (const line of lines.slice(this.shown)) this.options.onEpoch?.(line)
    this.shown = lines.length
  }

  private async finish(
    prepared: PreparedTraining,
    network: FineTunedNetwork,
    baseNetwork: Network,
    base: WeightSet,
    trained: TrainedParameters,
    started: number,
  ): Promise<RunRecord> {
    const { environment, store, onProgress = () => undefined } = this.options
    onProgress({ phase: 'write' })
    const { lines, best } = trained.state
    const tensors = new Map([...base.tensors, ...startingHead(network, baseNetwork, base.tensors, this.spec.seed), ...trained.parameters])
    const { plan } = prepared
    await writeReport({ store, environment, record: this.record, plan, network, base, lines, best })
    await writeModel(store, { record: this.record, plan, network, base, tensors, lines, best })
    const { error: _error, ...record } = this.record
    this.record = record
    const finished = environment.runs.now()
    await this.save({ state: 'done', finished: finished.toISOString(), seconds: (finished.getTime() - started) / 1000 })
    await store.put(SUCCESS_PATH, '')
    return this.record
  }

  private async fail(error: unknown): Promise<never> {
    const [code, message] = [errorCode(error), errorMessage(error)]
    await this.save({ state: 'failed', error: { code, message } }).catch(() => undefined)
    if (error instanceof LayermillError) throw error
    throw new LayermillError(receivedCode(code), message, {
      cause: error,
      hint: 'checkpoints are kept: once the cause is gone, run the same command again',
    })
  }

  private async save(changes: Partial<RunRecord>): Promise<void> {
    this.record = { ...this.record, ...changes }
    await writeRunRecord(this.options.store, this.record)
  }
}

/**
 * Carries a fine-tuning run out to its end: lists and checks its images, computes a frozen base's features, trains, and writes the model,
 * its metrics and its report. Safe to stop at any moment and to call again; the result is the same, bit for bit.
 *
 * @returns the record of the finished run
 * @throws the signal's reason when interrupted; LayermillError when the run failed (its record says why)
 */
export async function superviseTraining(record: RunRecord, options: SuperviseTrainingOptions): Promise<RunRecord> {
  const done = record.state === 'done' ? record : await new TrainingSupervision(record, options).run()
  await options.store.put(SUCCESS_PATH, '', { ifAbsent: true })
  const entry = await registerRun(done, { ...options, onPromoted: options.environment.onPromoted })
  if (entry !== undefined) options.onRegistered?.(entry)
  return done
}
