import type { Tensor, TensorMap } from '@layermill/core'
import type { Size2 } from '@layermill/models'

/**
 * Comparison of a network's scores with targets. `softmax`: one class of several. `sigmoid`: each output by itself, binary cross entropy, whose
 * positive term has a factor for each output. `squared`: squared error. `smooth-l1`: e^2 / (2 beta) below beta, else |e| - beta / 2. All but
 * softmax are means over the outputs.
 */
export type OneLoss =
  | { readonly kind: 'softmax' }
  | { readonly kind: 'sigmoid'; readonly positiveWeights?: readonly number[] | undefined }
  | { readonly kind: 'squared' }
  | { readonly kind: 'smooth-l1'; readonly beta: number }

/**
 * `slices`: scores that lie end to end, each part with a loss of its own; the sum of them. Targets have a second half then, [N, 2 outputs]: the
 * factor of each image's loss, the same in all columns of a part, and 0 where an image does not count.
 */
export type LossKind = OneLoss | { readonly kind: 'slices'; readonly slices: readonly LossSlice[] }

export interface LossSlice {
  readonly outputs: number
  readonly loss: OneLoss
}

/** Columns of the targets of a loss. */
export const targetWidth = ({ kind }: LossKind, outputs: number): number => (kind === 'slices' ? 2 * outputs : outputs)

export interface TrainerOptions {
  /** Names of the parameters that learn: convolutions' and linear layers' weights and biases, batch norms' gamma and beta. */
  readonly trainable: readonly string[]
  /**
   * `frozen` (default): batch norm uses its stored statistics. `batch`: those of the batch, in every batch norm before the losses but
   * `storedNorms`, whether it learns or not; the statistics come back with each gradient.
   */
  readonly batchNorm?: 'frozen' | 'batch'
  /** Names of batch-norm nodes that use their stored statistics although `batchNorm` is `batch`. Default: none. */
  readonly storedNorms?: readonly string[]
  /** Dropout is on, and each batch brings the masks. Default true where the network has dropout before the losses. */
  readonly dropout?: boolean
  /** Height and width of the images. Default: the network's. */
  readonly inputSize?: Size2
  /** A public layer whose values are given instead of images, so that what is before it need not run. */
  readonly start?: string
  /** Factor of GoogLeNet's auxiliary losses, where the network keeps those classifiers. Default 0.3; 0 leaves them out. */
  readonly auxiliaryWeight?: number
  /** Default: softmax. Others need targets with each batch, and their labels are 0. */
  readonly loss?: LossKind
  /** Images of the batches to come, for which threads are shared out; others may come as well, and no number depends on it. */
  readonly batchSize?: number
}

export interface TrainingBatch {
  /** Prepared images [N, 3, H, W], or the values of `start` [N, ...shape]. The buffer is transferred and unusable afterwards. */
  readonly images: Tensor
  /** Class of each image. */
  readonly labels: Int32Array
  /** Targets that scores are compared to, weights of softmax included: [N, classes], or twice as wide with `slices`. Default: 1 at each image's class. */
  readonly targets?: Tensor
  /** A mask for each of `Trainer.masks`: [N, ...shape]. */
  readonly masks?: TensorMap
  /** Gradients of an earlier call that nobody needs any more: their memory is used again, and transferred as that of the images. */
  readonly recycle?: TensorMap
}

/** Mean and unbiased variance of a batch: what running statistics move towards. */
export interface BatchNormStatistics {
  readonly mean: Float32Array
  readonly variance: Float32Array
}

export interface Scores {
  /** Sum over the batch, auxiliary losses included. */
  readonly loss: number
  /** Images whose class has the highest score; of sigmoid, whose every score is on its target's side of 0; else 0. */
  readonly correct: number
  /** Scores of the classifier, [N, classes]. */
  readonly logits: Tensor
}

export interface Gradients extends Scores {
  /** Of the loss's sum, by parameter. */
  readonly gradients: Map<string, Tensor>
  /** By batch norm (`res2/a/bn1`, of `res2/a/bn1/gamma`); empty unless `batchNorm` is `batch`. */
  readonly batchNorm: Map<string, BatchNormStatistics>
}

/** A dropout node's mask: 0 or 1 / (1 - ratio). */
export interface MaskInfo {
  readonly ratio: number
  /** Of one image. */
  readonly shape: readonly number[]
}

/**
 * A network with its losses, ready to be differentiated. The same input gives the same bits on the same machine. Calls queue up
 * behind each other.
 */
export interface Trainer {
  readonly trainable: readonly string[]
  /** The dropout nodes for which `gradients` needs masks. */
  readonly masks: ReadonlyMap<string, MaskInfo>
  /**
   * Loss and gradients of a batch of any size, with the parameters as last set.
   * @throws LayermillError `INPUT_SHAPE` for images, targets or masks that do not fit, `LABEL_INVALID`.
   */
  gradients(batch: TrainingBatch): Promise<Gradients>
  /** Loss and scores only, as in inference: stored statistics, no dropout. */
  evaluate(batch: Pick<TrainingBatch, 'images' | 'labels' | 'targets'>): Promise<Scores>
  /**
   * Replaces parameters that learn, and batch norm's running statistics (`bn1/avg_mean`) where `batchNorm` is `batch`. They are
   * copied, and must stay as they are until the promise resolves.
   * @throws LayermillError `PARAMETER_UNKNOWN`, `WEIGHTS_SHAPE`.
   */
  setParameters(parameters: TensorMap): Promise<void>
  /** Frees the sessions; pending calls finish first. Idempotent. */
  release(): Promise<void>
}
