import type { GraphVariant } from '../../graph.js'

/**
 * How a tensor lies in a file, other than as the canonical one does ([out, in, kh, kw]; [out, in]):
 * - `same`: alike; ones in front (Caffe's old four dimensions) do not count
 * - `flatten`: a convolution that stands for a linear layer: [out, channels, h, w] for [out, channels*h*w]
 * - `hwio`: [kh, kw, in, out]
 * - `io`: [in, out]
 * - `hwcIo`: [in, out] with the inputs in the order height, width, channels instead of channels, height, width
 */
export type Layout = 'same' | 'flatten' | 'hwio' | 'io' | 'hwcIo'

/** Source of one canonical parameter. */
export interface NameRule {
  readonly source: string
  /** Default `same`. */
  readonly layout?: Layout
  /** For `hwcIo`: over how many positions (height x width) the inputs are spread. */
  readonly positions?: number
  /** A tensor of one number that this one is divided by; by zero gives zeros (Caffe's batch-norm statistics). */
  readonly dividedBy?: string
  /** A tensor of the same shape that is subtracted (a bias that moves into a batch norm's mean). */
  readonly minus?: string
  /** When the file lacks it: `zero` fills zeros, `auxiliary` initialises it and marks the weights. Default: the file is refused. */
  readonly whenAbsent?: 'zero' | 'auxiliary'
}

/**
 * Name of a parameter in one system, by its link and kind: `conv1_1` and `W`. Kinds: W, b, gamma, beta, avg_mean, avg_var. Undefined for a
 * parameter that the system has no name for.
 */
export type Naming = (link: string, kind: string) => NameRule | undefined

/** A way to name the modules of a network, known by one tensor that each such file has. */
export interface Dialect {
  readonly anchor: string
  /** Dimensions of the anchor, where the name alone could be another network's. */
  readonly rank?: number
  /** Library whose dialect it is, where it is not the scheme's own. */
  readonly origin?: 'transformers'
  /** The scheme's name for what stands behind the prefix; as it is where left out. */
  rename?(name: string): string
  /** Names beside the prefix that belong to the network, by the scheme's names, if the network is part of a larger one. */
  beside?(prefix: string): ReadonlyMap<string, string>
}

/** Names of keras.applications. */
export interface KerasNames {
  readonly rule: Naming
  /** Changes that its weights make in the graph. */
  readonly variant: GraphVariant
  /** Other names of layers: `probs` where a file does not have it is called `predictions` there. */
  readonly aliases: Readonly<Record<string, string>>
  /**
   * Names of layers that a file only counts by their class (`conv2d_4`), as weights that Keras 3 saved without names: by class, in Keras's
   * order.
   */
  readonly counted: Readonly<Partial<Record<'conv2d' | 'batch_normalization' | 'dense', readonly string[]>>>
  /** Shapes of the first linear layers; others that are only counted are not the network's. */
  readonly denseShapes: readonly (readonly number[])[]
}

/** Names of a network's parameters in each scheme that has files of it. Chainer's are the canonical ones. */
export interface ParameterNames {
  /** A parameter that each file with Chainer's names has, by which a prefix is found. */
  readonly anchor: string
  readonly caffe?: Naming
  readonly torchvision: { readonly rule: Naming; readonly dialects: readonly Dialect[] }
  /** Names of timm that differ from torchvision's. */
  readonly timm?: Naming
  readonly keras?: KerasNames
}

/** A layer of a .caffemodel: its blobs are weight and bias. */
export function caffeLayer(layer: string | undefined, kind: string): NameRule | undefined {
  if (layer === undefined) return undefined
  if (kind === 'W') return { source: `${layer}[0]` }
  return kind === 'b' ? { source: `${layer}[1]` } : undefined
}

/** A BatchNorm layer's blobs: mean, variance, and the factor that both are divided by; the Scale layer after it has gamma and beta. */
export function caffeNorm(name: string, kind: string): NameRule | undefined {
  switch (kind) {
    case 'gamma':
      return { source: `scale${name}[0]` }
    case 'beta':
      return { source: `scale${name}[1]` }
    case 'avg_mean':
      return { source: `bn${name}[0]`, dividedBy: `bn${name}[2]` }
    case 'avg_var':
      return { source: `bn${name}[1]`, dividedBy: `bn${name}[2]` }
    default:
      return undefined
  }
}

const torchKinds: Readonly<Record<string, string>> = {
  W: 'weight',
  b: 'bias',
  gamma: 'weight',
  beta: 'bias',
  avg_mean: 'running_mean',
  avg_var: 'running_var',
}

/** A tensor of a state dict. */
export function torchTensor(module: string | undefined, kind: string): NameRule | undefined {
  const ending = torchKinds[kind]
  return module === undefined || ending === undefined ? undefined : { source: `${module}.${ending}` }
}

const kerasStatistics: Readonly<Record<string, string>> = {
  gamma: 'gamma',
  beta: 'beta',
  avg_mean: 'moving_mean',
  avg_var: 'moving_variance',
}

/** A convolution of Keras. */
export function kerasConv(layer: string, kind: string): NameRule | undefined {
  if (kind === 'b') return { source: `${layer}/bias` }
  return kind === 'W' ? { source: `${layer}/kernel`, layout: 'hwio' } : undefined
}

/** A linear layer of Keras; behind a feature map, its inputs are spread over `positions`. */
export function kerasLinear(layer: string, kind: string, positions?: number): NameRule | undefined {
  if (kind === 'b') return { source: `${layer}/bias` }
  if (kind !== 'W') return undefined
  return positions === undefined ? { source: `${layer}/kernel`, layout: 'io' } : { source: `${layer}/kernel`, layout: 'hwcIo', positions }
}

/**
 * A batch norm of Keras. The bias of the convolution `conv` before it, where the graph here has none, moves into the mean, which is the
 * same: (x + b) - mean = x - (mean - b).
 */
export function kerasNorm(layer: string, kind: string, conv?: string): NameRule | undefined {
  const statistic = kerasStatistics[kind]
  if (statistic === undefined) return undefined
  const source = `${layer}/${statistic}`
  return kind === 'avg_mean' && conv !== undefined ? { source, minus: `${conv}/bias` } : { source }
}
