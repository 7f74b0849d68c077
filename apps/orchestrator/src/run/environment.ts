import type { FoundCalibration, RunRecord, RunSpec, Waiting, WorkerBeat } from '@layermill/contracts'
import type { ChosenPrecision, FittedReductions, NamedModel } from '@layermill/inference'
import type { Network, Size2 } from '@layermill/models'
import type { ImageSource, SourceAccess, SourceItem, Store } from '@layermill/storage'
import type { PartQueue } from './part-queue.js'

/** Dependencies of a run's supervisor; the CLI and the server compose them. */
export interface RunEnvironment {
  openStore(url: string): Promise<Store>
  openSource(source: string, access?: SourceAccess): Promise<ImageSource>
  /** The queue of one run's parts. */
  queue(record: RunRecord, store: Store): Promise<PartQueue>
  /** The network a spec names, as its weights want it. */
  model(spec: RunSpec): Promise<NamedModel>
  /**
   * Holds the engine against stored values of a network, of an ONNX file against itself by these layers, where the engine is at hand.
   * @param size height and width of the images; left out, the network's
   * @throws LayermillError `SELF_CHECK`
   */
  selfCheck?(network: Network, layers: readonly string[], size?: Size2): Promise<NonNullable<RunRecord['selfCheck']>>
  /**
   * Chooses the ranges that an int8 run computes with, from images of its source, where an engine is at hand.
   * @throws LayermillError `CALIBRATION_INVALID` where no image can be used; the signal's reason when aborted
   */
  calibrate?(record: RunRecord, source: ImageSource, signal?: AbortSignal): Promise<FoundCalibration>
  /** Takes float32 or int8 for a run with `precision: auto`, by trying both on some images, where an engine is at hand. */
  choosePrecision?(record: RunRecord, source: ImageSource, signal?: AbortSignal): Promise<ChosenPrecision>
  /** Fits a run's reductions to a sample of its images, where an engine is at hand. */
  fitReductions?(record: RunRecord, source: ImageSource, signal?: AbortSignal): Promise<FittedReductions>
  /** Seconds an image takes, by trying some, and how many are computed at once, where an engine is at hand. */
  probe?(record: RunRecord, source: ImageSource, sample: readonly SourceItem[]): Promise<{ secondsPerImage: number; batchSize: number }>
  /** Heartbeats of the workers that live, where there are workers besides this process. */
  workers?(): Promise<readonly WorkerBeat[]>
  /** Milliseconds for which all workers may be unfit for a run before it fails. Default: see `WorkerWatch`. */
  readonly unfitDeadline?: number | undefined
  /** Cause of this process's own waiting, if any. */
  trouble?(): Waiting | undefined
  /** Version of the decoding and resampling code. */
  readonly preparationVersion: string
  /** Versions of what computes, for run.json. */
  readonly versions: Readonly<Record<string, string>>
  now(): Date
  /** A new run's id. */
  newId(kind: string): string
}
