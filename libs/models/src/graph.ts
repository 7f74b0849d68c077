/**
 * A network as data: an ordered list of nodes. Everything else (layer lists, shapes, costs, the ONNX graph, the TensorFlow.js
 * program, the backward pass) is derived from it. Activations are NCHW or [N, features].
 */

/** Height, then width. */
export type Size2 = readonly [height: number, width: number]

/** Attributes of each op, besides its inputs. Padding is symmetric: `[rows above and below, columns left and right]`. */
export interface OpAttributes {
  /** The images: [N, channels, H, W], already prepared. Always the first node, named `input`. */
  input: { channels: number }
  conv: { outChannels: number; kernel: Size2; stride: Size2; pad: Size2 }
  /** With stored statistics: gamma * (x - mean) / sqrt(variance + epsilon) + beta. `decay` is of the running statistics, in training. */
  batchNorm: { epsilon: number; decay: number }
  relu: Record<never, never>
  /** `ceil`: windows cover the whole input (Chainer's cover_all, Caffe); a window that would start in the padding behind is dropped. */
  maxPool: { kernel: Size2; stride: Size2; pad: Size2; ceil: boolean }
  /** Windows do not cover the rest (floor); padding counts in the divisor. */
  avgPool: { kernel: Size2; stride: Size2; pad: Size2 }
  /** The mean over H and W: [N, C, 1, 1]. */
  globalAvgPool: Record<never, never>
  /** The mean over equal parts of H and W as torch.nn.AdaptiveAvgPool2d cuts them: row i covers floor(i*H/h) to ceil((i+1)*H/h). */
  adaptiveAvgPool: { size: Size2 }
  /** x / (k + alpha * sum over `size` channels of x^2)^beta. `alpha` is per element (Caffe's alpha already divided by size). */
  lrn: { size: number; alpha: number; beta: number; k: number }
  /** [N, features] to [N, outFeatures]; a 4-D input is flattened C, H, W. Weight is [out, in]. */
  linear: { inFeatures: number; outFeatures: number }
  /** Identity except in training, where a share `ratio` is zeroed and the rest divided by 1 - ratio. */
  dropout: { ratio: number }
  /** Over the features of [N, features]. */
  softmax: Record<never, never>
  /** Over channels. */
  concat: Record<never, never>
  add: Record<never, never>
  /** [N, C, H, W] to [N, C*H*W]. */
  flatten: Record<never, never>
}

export type OpName = keyof OpAttributes

/** Which parameters (names in the weights) each op reads. Ops not listed have none. */
export interface OpParameters {
  conv: { weight: string; bias?: string }
  batchNorm: { gamma: string; beta: string; mean: string; variance: string }
  linear: { weight: string; bias: string }
}

export type GraphNode = {
  [Op in OpName]: {
    /** Unique in the network; also the name of its one output. */
    readonly name: string
    readonly op: Op
    readonly inputs: readonly string[]
    readonly attributes: Readonly<OpAttributes[Op]>
    readonly parameters: Op extends keyof OpParameters ? Readonly<OpParameters[Op]> : undefined
  }
}[OpName]

/** A node of one op. */
export type NodeOf<Op extends OpName> = Extract<GraphNode, { op: Op }>

/** How pixels become the network's input. Pixels are 0..255; `mean` and `std` are in the order of `channels`. */
export interface Preparation {
  readonly channels: 'bgr' | 'rgb'
  /** Pixels are divided by this first: 1 (Caffe) or 255 (torchvision). */
  readonly divisor: 1 | 255
  readonly mean: readonly [number, number, number]
  readonly std: readonly [number, number, number]
  /**
   * `exact`: to the input size without keeping the aspect (Chainer). `crop`: the short side to `shortSide` for an input of 224, then the
   * centre (torchvision). `share`: the short side to the input's divided by `share`, rounded down, then the centre (timm's `crop_pct`).
   */
  readonly resize:
    | { readonly kind: 'exact' }
    | { readonly kind: 'crop'; readonly shortSide: number }
    | { readonly kind: 'share'; readonly share: number }
  readonly resample: 'bicubic' | 'bilinear' | 'nearest' | 'lanczos'
}

/** Changes of the graph that depend on the weights: on their origin, and on the end they have. */
export interface GraphVariant {
  /** Replaces every batch-norm epsilon (Caffe and Chainer 2e-5, Keras 1.001e-5, torchvision 1e-5). */
  readonly batchNormEpsilon?: number
  /** The stem's pooling of the ResNets: `cover` (Caffe: no padding, ceil) or `padded` (Keras, torchvision: padding 1, floor). */
  readonly stemPool?: 'cover' | 'padded'
  /** Scores of the classifier, where they are not the published 1000. */
  readonly classes?: number
  /** Scores of GoogLeNet's auxiliary classifiers, where they are not 1000. */
  readonly auxiliaryClasses?: number
  /** Links that the weights do not have (`fc6`, `loss3_fc`) and nodes that would say nothing (`prob`), sorted: left out with all behind them. */
  readonly without?: readonly string[]
}

export type Architecture = 'vgg16' | 'vgg19' | 'resnet50' | 'resnet101' | 'resnet152' | 'googlenet'
export type Family = 'caffe' | 'torchvision'

export interface Network {
  /** `resnet50` (caffe family) or `resnet50.tv`. */
  readonly id: string
  readonly architecture: Architecture
  readonly family: Family
  readonly variant: GraphVariant
  /** Topological order; the first is the input. */
  readonly nodes: readonly GraphNode[]
  /** Public layer name to node name: `availableLayers` first, in Chainer's order, then the finer names in the order of the graph. */
  readonly layers: ReadonlyMap<string, string>
  /** Chainer's `available_layers`, in its order. */
  readonly availableLayers: readonly string[]
  readonly defaultLayer: string
  /** The node that gives the classes' scores before softmax. */
  readonly classifier: string
  /** The node that gives the classes' probabilities. */
  readonly probabilities: string
  readonly classes: number
  /** Input size that the published weights were trained on. */
  readonly inputSize: Size2
  readonly preparation: Preparation
}
