/**
 * A network as data: an ordered list of nodes. Everything else (layer lists, shapes, costs, the ONNX graph, the TensorFlow.js
 * program, the backward pass) is derived from it. Activations are NCHW or [N, features].
 */

/** Height, then width. */
export type Size2 = readonly [height: number, width: number]

/** Attributes of each op, besides its inputs. Padding is symmetric: `[rows above and below, columns left and right]`. */
export interface OpAttributes {
  /**
   * The images: [N, channels, H, W], already prepared. Always the first node, named `input`. With a `shape`, values [N, ...shape] that
   * something else computes.
   */
  input: { channels: number; shape?: readonly number[] }
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
  /** 1 / (1 + exp(-x)) of each value. */
  sigmoid: Record<never, never>
  /** Features `from` up to before `to` of [N, features]. */
  slice: { from: number; to: number }
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

/** Filters of Pillow's `resize`. */
export const pillowResamples = ['bicubic', 'bilinear', 'nearest', 'lanczos', 'box', 'hamming'] as const
/** torchvision's filters for tensors of floats: what they give is not rounded to levels (DINOv3's processor). */
export const floatResamples = ['float-bicubic', 'float-bilinear'] as const
export type FloatResample = (typeof floatResamples)[number]
/** All, with the ones that torchvision has for tensors of levels: coefficients of 16 bits, the nearest pixel in single precision. */
export const resamples = [
  ...pillowResamples,
  'torchvision-bicubic',
  'torchvision-bilinear',
  'torchvision-nearest',
  'torchvision-lanczos',
  ...floatResamples,
] as const
export type Resample = (typeof resamples)[number]

type Triple = readonly [number, number, number]

/**
 * How large a picture becomes before it is cut. Sides of a fraction of a pixel are cut off (`int` in Python) unless said otherwise. `none`:
 * as it is. `size`: height and width, without keeping the aspect. `short`: the short side; where the long one would be above `longest`,
 * that one; both are then made multiples of `multiple`, upwards, or of `down`, downwards (YOLOS). `between`: likewise, both sides rounded
 * half up, then down to multiples (ViLT). `own`: the picture's, down to multiples (GLPN). `long`: the long side, rounded half up (SAM).
 * `within`: as large as fits into the rectangle. `cover` and `contain`: the smallest picture that covers the rectangle and the largest
 * inside it, rounded half to even (timm). `near`: the aspect is kept and scaled by that of the two sides which changes it less, to
 * multiples of `multiple` (DPT).
 */
export type ResizeTarget =
  | { readonly by: 'none' }
  | { readonly by: 'size' | 'within' | 'cover' | 'contain'; readonly size: Size2 }
  | {
      readonly by: 'short'
      readonly side: number
      readonly longest?: number | undefined
      readonly multiple?: number | undefined
      readonly down?: number | undefined
    }
  | { readonly by: 'between'; readonly side: number; readonly longest: number; readonly multiple: number }
  | { readonly by: 'own'; readonly multiple: number }
  | { readonly by: 'long'; readonly side: number }
  | { readonly by: 'near'; readonly size: Size2; readonly multiple: number }

export type CropRounding = 'floor' | 'trunc' | 'even'

/**
 * The geometry of a library's image processor, as its file says it: a cut, a new size, a cut, a margin. Nothing of it is derived from the
 * network's input: `input` is what comes out.
 */
export interface ResizeRule {
  readonly kind: 'rule'
  /** Height and width of the result; left out where each picture has a size of its own. For another size, all sides are scaled. */
  readonly input?: Size2 | undefined
  /** A cut of the centre before resizing: height and width as shares of the picture's short side (Perceiver). */
  readonly before?: Size2 | undefined
  readonly to: ResizeTarget
  /**
   * The cut of the centre, which may be larger than the picture. It starts at half the difference: rounded down (`floor`, transformers), to
   * zero (`trunc`, its torchvision variant), or half to even (`even`, torchvision and timm). `of`: a larger cut that it is made of, which starts by its own half (ConvNeXt). `fill`: RGB
   * of what lies outside of the picture, black if left out.
   */
  readonly crop?:
    | { readonly size: Size2; readonly of?: Size2 | undefined; readonly rounding: CropRounding; readonly fill?: Triple | undefined }
    | undefined
  /** Zeros behind the last row and column of the prepared values, up to this height and width; half of them in front where `around`. */
  readonly pad?: Size2 | undefined
  readonly around?: boolean | undefined
}

/**
 * How pixels become the network's input. Pixels are 0..255; `mean` and `std` are in the order of `channels`. Each step is rounded to
 * float32: (pixel / divisor - mean) / std, then the same with each of `again`.
 */
export interface Preparation {
  readonly channels: 'bgr' | 'rgb'
  /** Pixels are divided by this first: 1 (Caffe, or where nothing is scaled), 255 (torchvision), 127.5. */
  readonly divisor: number
  readonly mean: Triple
  readonly std: Triple
  /** Further normalisations, in order: EfficientNet's processor divides by its deviation twice. */
  readonly again?: readonly { readonly mean: Triple; readonly std: Triple }[] | undefined
  /**
   * `exact`: to the input size without keeping the aspect (Chainer). `crop`: the short side to `shortSide` for an input of 224, then the
   * centre (torchvision). `share`: the short side to the input's divided by `share`, rounded down, then the centre (timm's `crop_pct`).
   */
  readonly resize:
    | { readonly kind: 'exact' }
    | { readonly kind: 'crop'; readonly shortSide: number }
    | { readonly kind: 'share'; readonly share: number }
    | ResizeRule
  readonly resample: Resample
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
  /**
   * Links that the weights do not have (`fc6`, `loss3_fc`) and nodes that would say nothing (`prob`), sorted: left out with all behind
   * them.
   */
  readonly without?: readonly string[]
}

/**
 * Whose network a table is: `caffe` is what Chainer computes (weights of Oxford, MSRA, BVLC and Keras), `torchvision` what torchvision
 * does.
 */
export type TableFamily = 'caffe' | 'torchvision'

/** Nodes and layers of a network, as its table gives them. */
export interface NetworkTable {
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
}
