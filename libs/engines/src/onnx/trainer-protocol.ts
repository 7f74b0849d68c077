import type { Tensor } from '@layermill/core'
import type { GraphNode, Size2 } from '@layermill/models'
import type { LossTerm } from './backward/lower.js'
import type { ImageFeed } from './file/protocol.js'
import type { GraphStep } from './file/step-graph.js'

/** Arguments that make a trainer in the engine thread. */
export interface TrainParams {
  readonly nodes: readonly GraphNode[]
  /** Exactly the parameters that the nodes read; the thread's own from now on. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly inputSize: Size2
  readonly start: string | undefined
  /** The classifier's first. */
  readonly losses: readonly LossTerm[]
  readonly trainable: readonly string[]
  /** Running statistics that `setParameters` may change. */
  readonly statistics: readonly string[]
  readonly batchStatistics: boolean
  /** Batch norms that use stored statistics all the same. Default: none. */
  readonly storedNorms?: readonly string[]
  readonly dropout: boolean
  /** Threads inside one operator, which may be fewer than the engine's. TensorFlow.js chooses for itself. */
  readonly threads: number
}

/** Arguments that make a trainer of a graph from a file. */
export interface GraphTrainParams extends Pick<TrainParams, 'losses' | 'trainable' | 'statistics' | 'threads'> {
  readonly training: GraphStep
  readonly scoring: GraphStep
  readonly image: ImageFeed
  /** First values of what learns; the thread's own from now on. */
  readonly weights: ReadonlyMap<string, Tensor>
}

export interface StepParams {
  readonly trainer: number
  readonly images: Tensor
  readonly labels: Int32Array
  readonly targets: Tensor
  readonly masks: ReadonlyMap<string, Tensor>
  /** Memory for gradients, in the order of `TrainerLoaded.gradients`; empty for new memory. */
  readonly recycle: readonly Float32Array[]
}

export interface TrainerLoaded {
  readonly trainer: number
  /** Dropout nodes that need masks, with their shapes. */
  readonly masks: readonly (readonly [node: string, shape: readonly number[]])[]
  /** Parameters in the order in which their gradients are returned. */
  readonly gradients: readonly string[]
  /** Batch norms, in the order in which their means and variances follow. */
  readonly statistics: readonly string[]
}

export interface StepResult {
  readonly loss: number
  readonly correct: number
  /** Scores; gradients; mean and variance of each batch norm. */
  readonly tensors: readonly Tensor[]
}

/** Requests of training, besides those of extraction. */
export interface TrainingRequests {
  train: { params: TrainParams; result: TrainerLoaded }
  /** ONNX Runtime only. */
  trainGraph: { params: GraphTrainParams; result: TrainerLoaded }
  gradients: { params: StepParams; result: StepResult }
  evaluate: { params: Omit<StepParams, 'masks' | 'recycle'>; result: StepResult }
  /** Tensors in shared memory are copied by the thread, and only with ONNX Runtime. The rest becomes the thread's own. */
  parameters: { params: { trainer: number; parameters: ReadonlyMap<string, Tensor> }; result: undefined }
  releaseTrainer: { params: { trainer: number }; result: undefined }
}
