import type { NetworkTable, TableFamily } from '../../graph.js'

/** A layer here that another system names. */
export interface KnownLayer {
  /** Our name of it. */
  readonly layer: string
  /** Whether both are the same values; else it is the nearest of ours (a convolution before the ReLU that our name includes). */
  readonly exact: boolean
}

/** One way to write names: a pattern, and our name for what it found. */
export type LayerNameRule = readonly [pattern: RegExp, layer: (found: readonly string[]) => KnownLayer | undefined]

/**
 * Names that torchvision, timm, Keras, transformers and Caffe have for layers of a network. Sources: `create_feature_extractor` of
 * torchvision and its module names, timm's `feature_info`, `Model.layers` of Keras, the prototxt files of Caffe.
 */
export type LayerNames = (family: TableFamily, network: Pick<NetworkTable, 'availableLayers'>) => readonly LayerNameRule[]

export const exactly = (layer: string): KnownLayer => ({ layer, exact: true })
export const nearly = (layer: string): KnownLayer => ({ layer, exact: false })
