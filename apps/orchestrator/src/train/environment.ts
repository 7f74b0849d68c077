import type { FinetuneSpec, Promotion, RunRecord, TrainingPlan, Waiting, WorkerPhases } from '@layermill/contracts'
import type { Engine } from '@layermill/engines'
import type { Network } from '@layermill/models'
import type { WeightSet } from '@layermill/weights'
import type { ImageSource, SourceAccess, Store } from '@layermill/storage'
import type { FeatureStandard, GradientSource } from '@layermill/training'
import type { RunEnvironment } from '../run/environment.js'

/** The stored values of a base that does not change. */
export interface FeatureStores {
  /** One for each augmented copy; one where nothing is augmented. */
  readonly training: readonly Store[]
  readonly validation: Store
  /** Of one image. */
  readonly shape: readonly number[]
  /** The head learns on (value - mean) / deviation; the values themselves where left out. */
  readonly standard?: FeatureStandard
}

/** A source of gradients that knows how long its workers were busy. */
export interface TimedGradients extends GradientSource {
  /** Busy time of workers in the micro-batches since it was last taken. */
  takePhases?(): WorkerPhases[]
}

/** Dependencies of a fine-tuning run; the CLI composes them. */
export interface TrainingEnvironment {
  /** For the extraction of a frozen base's features, and all that kinds of runs share. */
  readonly runs: RunEnvironment
  /** Opens a source whose labels are wanted. */
  openLabelled(source: string, access?: SourceAccess): Promise<ImageSource>
  /** The base network, prepared as the spec says, and its weights. */
  base(spec: FinetuneSpec): Promise<{ network: Network; weights: WeightSet }>
  /** Opens the source of gradients that computes the run's micro-batches: from images, or from stored features. */
  gradients(record: RunRecord, plan: TrainingPlan, store: Store, features: FeatureStores | undefined): Promise<TimedGradients>
  /** The engine of this process, which explains mistakes for the report; left out where nothing is explained. */
  readonly openEngine?: () => Promise<Engine>
  /** Told when a registered model's version becomes the latest. */
  readonly onPromoted?: (promotion: Promotion) => Promise<void> | void
  /** Images decoded at once where they are checked. */
  readonly readAhead: number
}

/** Progress of a run, for people. */
export type TrainingProgress =
  /** Images are looked at, or the base's features computed. */
  | {
      readonly phase: 'check' | 'features'
      readonly done: number
      readonly total: number
      readonly failed: number
      readonly waiting?: Waiting
    }
  | {
      readonly phase: 'train' | 'validate'
      /** From 1. */
      readonly epoch: number
      readonly epochs: number
      /** Updates done in this epoch (pieces scored, where it validates), and in all of it. */
      readonly step: number
      readonly steps: number
      /** Images trained on since the run, or this term of it, began; all epochs' images. */
      readonly images: number
      readonly imagesLeft: number
      /** Means of this epoch so far. */
      readonly loss: number
      readonly accuracy?: number | undefined
    }
  | { readonly phase: 'write' }
