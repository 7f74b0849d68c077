import type { GraphVariant, NetworkTable, Preparation, Size2, TableFamily } from './graph.js'
import type { TableArchitecture } from './networks/index.js'

/** `onnx`: a graph that was read from a file. */
export type Architecture = TableArchitecture | 'onnx'
export type Family = TableFamily | 'onnx'

/** Part of a value of tokens [tokens, dim]: the class token, the mean of the patches, the patches, all. */
export const tokenParts = ['cls', 'mean', 'patches', 'all'] as const
export type TokenPart = (typeof tokenParts)[number]

/** A layer that a name stands for in a network that was read from a file. */
export interface NamedLayer {
  /** Its name in results. */
  readonly name: string
  /** The graph's value. */
  readonly value: string
  /** A remark for people. */
  readonly remark?: string | undefined
  /** Part of a value of tokens [tokens, dim] that is the layer. */
  readonly tokens?: TokenPart | undefined
}

/** The graph of a network that was read from a file and is no table: what the rest asks of it. Shapes are without the batch. */
export interface NetworkGraph {
  /**
   * The layers that a name stands for: several for a glob, and for a module that is called several times.
   * @throws LayermillError `LAYER_UNKNOWN`, `LAYER_AMBIGUOUS`
   */
  resolve(layer: string): readonly NamedLayer[]
  /** @throws LayermillError `INPUT_SIZE` where the layer cannot be computed from images of the size, or its shape is not known. */
  shape(layer: string, size: Size2): readonly number[]
  /** Floating-point operations and learned numbers from the image to the layer, as `LayerCost` has them. */
  cost(layer: string, size: Size2): { readonly flops: number; readonly parameters: number }
  /** Numbers learned in the whole graph. */
  readonly parameters: number
  /** Whether images of this size can be fed. */
  takesSize(size: Size2): boolean
  /** Bytes of one image's values while layers are computed, at most. */
  workingBytes(layers: readonly string[], size: Size2): number
  /** The numbers before a layer that can learn, by the name of their tensor. */
  learnable(layer: string): ReadonlyMap<string, LearnableTensor>
  /** Whether a name stands for something in the graph, so that nothing new can be called so. */
  isTaken(name: string): boolean
  /** Bytes of the weights before a layer. */
  weightBytes(layer: string): number
  /** The head that the graph ends with, where it is of a model that was fine-tuned here. */
  readonly head?: GraphHead | undefined
}

/** A head within a graph. */
export interface GraphHead {
  readonly layer: string
  /** Hidden layers, first to last. */
  readonly head: readonly { readonly units: number; readonly dropout?: number }[]
  /** In the order of the scores. */
  readonly classes: readonly string[]
  /** Tensors of the graph: weight and bias of each linear layer, first to last. */
  readonly tensors: readonly string[]
}

/** A tensor of a graph that can learn. */
export interface LearnableTensor {
  readonly shape: readonly number[]
  /** Modules that read it, innermost last. */
  readonly modules: readonly string[]
}

/** A network, ready to be computed. */
export interface Network extends NetworkTable {
  /** `resnet50` (caffe family) or `resnet50.tv`. */
  readonly id: string
  readonly architecture: Architecture
  readonly family: Family
  readonly variant: GraphVariant
  /** The graph of a network that was read from a file; `nodes` and `layers` then say nothing. */
  readonly graph?: NetworkGraph | undefined
  readonly preparation: Preparation
}
