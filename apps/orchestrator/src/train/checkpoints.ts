import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import type { Store } from '@layermill/storage'
import {
  type Checkpoint,
  deserializeCheckpoint,
  type EarlyStoppingState,
  type OptimizerState,
  serializeCheckpoint,
} from '@layermill/training'
import type { Evaluation, MetricsLine } from './metrics-line.js'

/** Sums over the epoch that is under way. */
export interface EpochSums {
  readonly samples: number
  readonly loss: number
  readonly correct: number
  readonly gradientNorm: number
  readonly steps: number
}

export const noSums: EpochSums = { samples: 0, loss: 0, correct: 0, gradientNorm: 0, steps: 0 }

/** State of a run: all that it goes on from, besides the plan. */
export interface TrainingState {
  /** Updates done. */
  readonly step: number
  readonly sums: EpochSums
  readonly lines: readonly MetricsLine[]
  readonly stopping: EarlyStoppingState
  /** Of the best epoch, once there is one and something is held out. */
  readonly best: Evaluation | undefined
  readonly stopped: boolean
}

export interface SavedTraining {
  readonly state: TrainingState
  /** Tensors that learn, and running statistics that move. */
  readonly parameters: Map<string, Tensor>
  readonly optimizer: OptimizerState
}

const folder = 'checkpoints/'
const bestPath = `${folder}best.safetensors`
const path = (step: number): string => `${folder}step-${String(step).padStart(10, '0')}.safetensors`
const stepOf = (key: string): number | undefined => {
  const digits = /^checkpoints\/step-(\d{10})\.safetensors$/.exec(key)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function join({ bytes, chunks }: { bytes: number; chunks: Uint8Array[] }): Uint8Array {
  const file = new Uint8Array(bytes)
  let offset = 0
  for (const chunk of chunks) {
    file.set(chunk, offset)
    offset += chunk.length
  }
  return file
}

function named(prefix: string, tensors: TensorMap): [string, Tensor][] {
  return [...tensors].map(([name, tensor]) => [`${prefix}${name}`, tensor])
}

function withPrefix(prefix: string, tensors: TensorMap): Map<string, Tensor> {
  const found = [...tensors].filter(([name]) => name.startsWith(prefix))
  return new Map(found.map(([name, { shape, data }]) => [name.slice(prefix.length), { shape, data: data.slice() }]))
}

/** The checkpoints of a run in its store. */
export class CheckpointStore {
  /** @param run id of the run, so that another's checkpoints are not taken for its own */
  constructor(
    private readonly store: Store,
    private readonly run: string,
    private readonly keep: number,
  ) {}

  async write({ state, parameters, optimizer }: SavedTraining): Promise<void> {
    const tensors = new Map([...named('parameters/', parameters), ...named('optimizer/', optimizer.tensors)])
    const checkpoint: Checkpoint = { state: { run: this.run, updates: optimizer.updates, ...state }, tensors }
    await this.store.put(path(state.step), join(serializeCheckpoint(checkpoint)))
    const steps = await this.steps()
    for (const old of steps.slice(0, Math.max(0, steps.length - this.keep))) await this.store.delete(path(old))
  }

  /**
   * The latest checkpoint that can be read; undefined where there is none.
   * @throws LayermillError `CHECKPOINT_CORRUPT` where there are some and all of them are damaged
   */
  async latest(): Promise<SavedTraining | undefined> {
    let fault: LayermillError | undefined
    for (const step of (await this.steps()).toReversed()) {
      const bytes = await this.store.get(path(step))
      if (bytes === undefined) continue
      try {
        const saved = this.parse(bytes)
        if (saved !== undefined) return saved
      } catch (error) {
        if (!(error instanceof LayermillError)) throw error
        // An earlier one leads to the same end, with some steps more.
        fault ??= error
      }
    }
    if (fault !== undefined) throw fault
    return undefined
  }

  private parse(bytes: Uint8Array): SavedTraining | undefined {
    const { state, tensors } = deserializeCheckpoint(bytes)
    const { run, updates, ...rest } = state as unknown as TrainingState & { run: string; updates: number }
    if (run !== this.run) return undefined
    const optimizer = { updates, tensors: withPrefix('optimizer/', tensors) }
    return { state: { ...rest, best: rest.best }, parameters: withPrefix('parameters/', tensors), optimizer }
  }

  async writeBest(parameters: TensorMap, epoch: number): Promise<void> {
    await this.store.put(bestPath, join(serializeCheckpoint({ state: { run: this.run, epoch }, tensors: parameters })))
  }

  async best(): Promise<Map<string, Tensor> | undefined> {
    const bytes = await this.store.get(bestPath)
    if (bytes === undefined) return undefined
    const { state, tensors } = deserializeCheckpoint(bytes)
    return state['run'] === this.run ? withPrefix('', tensors) : undefined
  }

  private async steps(): Promise<number[]> {
    const steps: number[] = []
    for await (const { key } of this.store.list(folder)) {
      const step = stepOf(key)
      if (step !== undefined) steps.push(step)
    }
    return steps.sort((a, b) => a - b)
  }
}
