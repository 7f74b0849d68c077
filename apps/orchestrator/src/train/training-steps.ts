import type { FinetuneSpec, Registered, RunRecord, Waiting, WorkerPhases } from '@layermill/contracts'
import { LayermillError, type Tensor } from '@layermill/core'
import { type Network, networkFromDescription, preparedWith, isFineTuned, type FineTunedNetwork } from '@layermill/models'
import { foldStandard, type GradientSource } from '@layermill/training'
import type { WeightSet } from '@layermill/weights'
import { registerRun } from './register/register-run.js'
import type { OpenedRun, RunArguments, RunPass, RunSteps } from '../run/execute.js'
import type { RunFile } from '../run/run-file.js'
import { WorkerWatch } from '../run/worker-watch.js'
import { CheckpointStore } from './checkpoints.js'
import { fileTensors } from '@layermill/engines'
import { fileHead, goneOnWith, startingHead } from './continued-head.js'
import { firstLinear } from './standardize.js'
import type { TrainingEnvironment, TrainingProgress } from './environment.js'
import { trainLoop, type TrainedParameters } from './loop.js'
import { encodeMetrics, type MetricsLine } from './metrics-line.js'
import { openTraining } from './open-training.js'
import { writeModel } from './outputs.js'
import { parameterScales } from './plan.js'
import { type PreparedTraining, prepareTraining } from './prepare-training.js'
import { writeReport } from './report/write-report.js'

export interface TrainingArguments extends RunArguments {
  readonly environment: TrainingEnvironment
  readonly onProgress?: (progress: TrainingProgress) => void
  readonly onEpoch?: (line: MetricsLine) => void
  readonly onWarning?: (text: string) => void
  /** Told what somebody may want to know of the run's head. */
  readonly onNote?: (text: string) => void
  /** Told how many images and classes there are, before anything is trained. */
  readonly onDataset?: (dataset: NonNullable<RunRecord['dataset']>) => void
  /** Told what the training waits for; undefined where it goes on. */
  readonly onWaiting?: (waiting: Waiting | undefined) => void
  /** Told what became of the model in the registry that the spec names. */
  readonly onRegistered?: (entry: Registered) => void
  /** Computes from images also where the base is frozen and its features could be stored: to hold one way against the other. */
  readonly generalPath?: boolean
}

const metricsPath = 'metrics.jsonl'

/** Network that is trained, and the images that it is trained on. */
interface TrainingWork {
  readonly base: { readonly network: Network; readonly weights: WeightSet }
  readonly prepared: PreparedTraining
  readonly network: FineTunedNetwork
}

/** A trained model, to be written. */
interface TrainedWork extends TrainingWork {
  readonly trained: TrainedParameters
}

function specOf({ spec }: RunRecord): FinetuneSpec {
  if (spec.kind !== 'finetune') throw new LayermillError('SPEC_INVALID', `kind: got ${spec.kind}, expected finetune`)
  return spec
}

/** Parameters that the training begins with: the base's, of an ONNX file those that learn, and a head. */
async function startingTensors(work: TrainingWork, spec: FinetuneSpec): Promise<Map<string, Tensor>> {
  const { base, prepared, network } = work
  const below = await fileTensors(network, prepared.plan.trainable)
  const own = new Map([...base.weights.tensors, ...(await fileHead(base.network))])
  const head = startingHead(spec, network, base.network, own)
  // A head that is gone on with is one for the features themselves.
  if (goneOnWith(spec, network, base.network) !== undefined) changeStandard(head, work, true)
  return new Map([...base.weights.tensors, ...below, ...head])
}

/** Changes the head's first layer from standardised features to the features themselves; `back` the other way. */
function changeStandard(tensors: Map<string, Tensor>, { prepared, network }: TrainingWork, back = false): void {
  const standard = prepared.features?.standard
  if (standard === undefined) return
  const { weight, bias } = firstLinear(network, prepared.plan.features!)
  const copy = (name: string): Tensor => ({ shape: tensors.get(name)!.shape, data: tensors.get(name)!.data.slice() })
  const changed = new Map([weight, bias].map(name => [name, copy(name)]))
  foldStandard(changed.get(weight)!, changed.get(bias)!, standard, back)
  for (const [name, tensor] of changed) tensors.set(name, tensor)
}

/** The one pass of a fine-tuning run: images are listed and checked, a frozen base's features computed, epochs trained. */
class TrainingPass implements RunPass<TrainingWork> {
  done: TrainedWork | undefined
  /** Busy time of the workers. */
  phases: readonly WorkerPhases[] = []
  private shown = 0

  constructor(
    private readonly run: RunFile,
    private readonly options: TrainingArguments,
  ) {}

  async plan(): Promise<TrainingWork> {
    const { generalPath = false, onProgress = () => undefined, onWarning = () => undefined, onNote = () => undefined } = this.options
    const base = await this.options.environment.base(specOf(this.run.record))
    const prepared = await prepareTraining({
      ...this.options,
      record: this.run.record,
      onProgress,
      onWarning,
      onNote,
      base: base.network,
      generalPath,
    })
    this.run.note(prepared.record)
    const { images, classes } = prepared.plan
    this.options.onDataset?.({ ...images, classes: classes.length })
    await this.run.save({ state: 'running' })
    return { base, prepared, network: this.network(prepared, base.network) }
  }

  async supervise(work: TrainingWork): Promise<void> {
    this.done = { ...work, trained: await this.train(work) }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  private network({ plan }: PreparedTraining, base: Network): FineTunedNetwork {
    const network = networkFromDescription(plan.network, base)
    if (!isFineTuned(network)) throw new LayermillError('HEAD_INVALID', `${network.id} has no head`)
    return preparedWith(network, plan)
  }

  private async train(work: TrainingWork): Promise<TrainedParameters> {
    const { environment, store, signal, onProgress = () => undefined } = this.options
    const { plan, training, validation, features } = work.prepared
    const { record } = this.run
    const spec = specOf(record)
    const first = await startingTensors(work, spec)
    const initial = new Map([...plan.trainable, ...plan.statistics].map((name): [string, Tensor] => [name, first.get(name)!]))
    const source = await environment.gradients(record, plan, store, features)
    const unfit = new AbortController()
    const watch = this.watch(features === undefined ? source : undefined, error => unfit.abort(error))
    try {
      return await trainLoop({
        spec,
        plan,
        network: work.network,
        training,
        validation,
        scales: parameterScales(spec, work.network),
        initial,
        source,
        checkpoints: new CheckpointStore(store, record.id, spec.keepCheckpoints),
        signal: AbortSignal.any([signal, unfit.signal]),
        onProgress,
        onEpoch: lines => this.onEpoch(lines),
      })
    } finally {
      watch?.stop()
      this.phases = source.takePhases?.() ?? []
      await source.close()
    }
  }

  /** Follows what the training waits for. @param source where workers may compute it; what is learnt from features is computed here */
  private watch(source: GradientSource | undefined, onUnfit: (error: LayermillError) => void): WorkerWatch | undefined {
    const { runs } = this.options.environment
    const alone = source === undefined || runs.workers === undefined
    if (alone && runs.trouble === undefined) return undefined
    return new WorkerWatch({
      run: this.run.record.id,
      workers: alone ? undefined : async () => (await runs.workers?.()) ?? [],
      behind: async () => source?.behind?.(),
      trouble: () => runs.trouble?.(),
      jobsAreTold: false,
      unfitDeadline: runs.unfitDeadline,
      onWaiting: waiting => this.options.onWaiting?.(waiting),
      onUnfit,
    })
  }

  /** The file follows the checkpoints: an epoch that is not in one will come again. */
  private async onEpoch(lines: readonly MetricsLine[]): Promise<void> {
    await this.options.store.put(metricsPath, encodeMetrics(lines))
    for (const line of lines.slice(this.shown)) this.options.onEpoch?.(line)
    this.shown = lines.length
  }
}

/** The steps of a fine-tuning run. Its result is the same, bit for bit, wherever it is stopped and gone on with. */
class TrainingSteps implements RunSteps<TrainingWork> {
  readonly kept = 'checkpoints'
  private pass: TrainingPass | undefined

  constructor(
    private readonly spec: FinetuneSpec,
    private readonly options: TrainingArguments,
  ) {}

  open(): Promise<OpenedRun> {
    const { store, environment } = this.options
    return openTraining(this.spec, store, environment, this.options)
  }

  async begin(run: RunFile): Promise<TrainingPass> {
    this.pass = new TrainingPass(run, this.options)
    return this.pass
  }

  async finish({ record }: RunFile): Promise<Partial<RunRecord>> {
    const { environment, store, signal, onProgress = () => undefined } = this.options
    onProgress({ phase: 'write' })
    const { base, prepared, network, trained } = this.pass!.done!
    const { lines, best } = trained.state
    const tensors = new Map([...(await startingTensors(this.pass!.done!, specOf(record))), ...trained.parameters])
    changeStandard(tensors, this.pass!.done!)
    const { phases } = this.pass!
    const outputs = { record, plan: prepared.plan, network, base: base.weights, lines, best }
    await writeReport({ store, environment, signal, phases, ...outputs, tensors })
    await writeModel(store, { ...outputs, tensors })
    return phases.length === 0 ? {} : { phases: [...phases] }
  }

  async conclude(record: RunRecord): Promise<void> {
    const entry = await registerRun(record, { ...this.options, onPromoted: this.options.environment.onPromoted })
    if (entry !== undefined) this.options.onRegistered?.(entry)
  }
}

/**
 * The steps of a fine-tuning run: its images are listed and checked, a frozen base's features computed, epochs trained, and the model, its
 * metrics and its report written; the registry that the spec names has the model then.
 */
export function trainingSteps(spec: FinetuneSpec, options: TrainingArguments): RunSteps<TrainingWork> {
  return new TrainingSteps(spec, options)
}
