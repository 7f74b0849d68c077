import type { Architecture, Family, GraphVariant } from '@layermill/models'

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
  /** For `hwcIo`: how many places (height x width) the inputs are spread over. */
  readonly positions?: number
  /** A tensor of one number that this one is divided by; by zero gives zeros (Caffe's batch-norm statistics). */
  readonly dividedBy?: string
  /** A tensor of the same shape that is subtracted (a bias that moves into a batch norm's mean). */
  readonly minus?: string
  /** When the file lacks it: `zero` fills zeros, `auxiliary` initialises it and marks the weights. Default: the file is refused. */
  readonly whenAbsent?: 'zero' | 'auxiliary'
}

/** One way to name a network's parameters. */
export interface NameScheme {
  readonly id: 'chainer' | 'caffe' | 'torchvision' | 'timm' | 'keras'
  /** Name of files of this kind, for people. */
  readonly title: string
  /** The family that weights named so are made for, unless the file itself says otherwise. */
  readonly family: Family
  readonly architectures: readonly Architecture[]
  /** Names that may be in a file and are not read. */
  readonly ignorable: readonly RegExp[]
  /** Changes that these weights make in the graph. */
  variant(architecture: Architecture): GraphVariant
  /** Undefined for a parameter that the scheme has no name for. */
  rule(architecture: Architecture, parameter: string): NameRule | undefined
}

export const ALL_ARCHITECTURES: readonly Architecture[] = ['vgg16', 'vgg19', 'resnet50', 'resnet101', 'resnet152', 'googlenet']

export const isResnet = (architecture: Architecture): boolean => architecture.startsWith('resnet')
export const isVgg = (architecture: Architecture): boolean => architecture.startsWith('vgg')

/** `conv1_1/W` as [`conv1_1`, `W`]. */
export function splitParameter(parameter: string): [link: string, kind: string] {
  const slash = parameter.lastIndexOf('/')
  return [parameter.slice(0, slash), parameter.slice(slash + 1)]
}

/** A link of a ResNet's block: `res4/b22/conv3` is stage 4, block 22, link `conv`, number 3. */
export interface BlockLink {
  readonly stage: number
  /** Counted from 0; 0 is the one with the projection (conv4, bn4). */
  readonly block: number
  readonly kind: 'conv' | 'bn'
  readonly number: number
}

export function parseBlockLink(link: string): BlockLink | undefined {
  const match = /^res([2-5])\/(?:a|b(\d+))\/(conv|bn)([1-4])$/.exec(link)
  if (match === null) return undefined
  return {
    stage: Number(match[1]),
    block: match[2] === undefined ? 0 : Number(match[2]),
    kind: match[3] === 'conv' ? 'conv' : 'bn',
    number: Number(match[4]),
  }
}

/** A link of an inception block: `inc3a/proj5` is block `3a`, branch `proj5`. */
export function parseInceptionLink(link: string): { block: string; branch: string } | undefined {
  const match = /^inc([3-5][a-e])\/(\w+)$/.exec(link)
  return match === null ? undefined : { block: match[1]!, branch: match[2]! }
}
