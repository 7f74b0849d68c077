import type { Tensor } from '@layermill/core'
import type { GraphNode, Size2 } from '@layermill/models'

/** Arguments that make an explainer in the engine thread. */
export interface ExplainParams {
  readonly nodes: readonly GraphNode[]
  /** Exactly the parameters that the nodes read; the thread's own from now on. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly inputSize: Size2
  /** Nodes. */
  readonly scores: string
  readonly layers: readonly string[]
  readonly inputGradient: boolean
}

/** Requests of explanation, besides those of extraction and training. */
export interface ExplainRequests {
  loadExplainer: { params: ExplainParams; result: { explainer: number } }
  /** Scores, gradient of the images, then value and gradient of each layer. Without a seed, of each image's highest score. */
  explain: { params: { explainer: number; images: Tensor; seed: Tensor | undefined }; result: { tensors: readonly Tensor[] } }
  releaseExplainer: { params: { explainer: number }; result: undefined }
}
