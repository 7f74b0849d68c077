import type { Tensor, TensorMap } from '@layermill/core'
import type { BatchStatistics } from './gradient-sum.js'

/** Parameters that learn, as of one version: the number of updates that made it. */
export interface PublishedParameters {
  readonly version: number
  readonly parameters: TensorMap
  /** Running statistics that move; empty where batch norm is frozen. */
  readonly statistics: TensorMap
}

/** One micro-batch's sums. */
export interface MicroBatchGradients {
  readonly samples: number
  readonly loss: number
  readonly correct: number
  readonly gradients: TensorMap
  /** By batch norm. */
  readonly batchNorm: ReadonlyMap<string, BatchStatistics>
}

/** One piece of the held-out images. */
export interface MicroBatchScores {
  readonly samples: number
  readonly loss: number
  readonly correct: number
  /** [N, classes]. */
  readonly logits: Tensor
}

/** Computes micro-batches, here or on a fleet: the same numbers whoever does. */
export interface GradientSource {
  /** Makes a version the one to compute with. Its arrays must not change before the next is published. */
  publish(published: PublishedParameters): Promise<void>
  /** All `count` micro-batches of a step, in the order of their indices. */
  gradients(step: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchGradients>
  /** All `count` pieces of the held-out images, in order. `round` tells one evaluation from another. */
  evaluate(round: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchScores>
  /** Takes gradients that nobody needs any more, to use their memory again. */
  recycle(gradients: TensorMap): void
  /** The run that is computed while this one's micro-batches wait for it; undefined where none is. */
  behind?(): Promise<string | undefined>
  close(): Promise<void>
}
