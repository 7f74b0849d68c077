import type { Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'

export interface ExplainerOptions {
  /** Public layers whose values and gradients are wanted; each must lie before the scores. */
  readonly layers: readonly string[]
  /** Height and width of the images. Default: the network's. */
  readonly inputSize?: Size2
  /** Whether the images' gradient is needed, which takes as long as all layers' below those asked for. Default: it is. */
  readonly inputGradient?: boolean
}

/** Scores of images, and the gradients of one score of each. */
export interface Explanation {
  /** Scores of the classifier before softmax, [N, classes]. */
  readonly scores: Tensor
  /** Values by layer, [N, ...shape]. */
  readonly values: ReadonlyMap<string, Tensor>
  /** Gradients of each image's score with respect to its values, by layer, [N, ...shape]. */
  readonly gradients: ReadonlyMap<string, Tensor>
  /** Gradients with respect to the prepared images, [N, 3, H, W]; nothing to go by where they were not asked for. */
  readonly inputGradient: Tensor
}

/** A network whose scores can be differentiated with respect to its layers and its input. Calls queue up behind each other. */
export interface Explainer {
  readonly layers: readonly string[]
  readonly classes: number
  /**
   * @param images prepared, [N, 3, H, W]; the buffer is transferred and unusable afterwards
   * @param classes the class of each image whose score is differentiated; left out, the one with its highest score
   * @throws LayermillError `INPUT_SHAPE`, `LABEL_INVALID`, `ENGINE_CLOSED`
   */
  explain(images: Tensor, classes?: Int32Array): Promise<Explanation>
  /** Frees the session; pending calls finish first. Idempotent. */
  release(): Promise<void>
}
