import { KERAS_EPSILON } from '../metadata.js'
import { isResnet, isVgg, type NameRule, type NameScheme, parseBlockLink, splitParameter } from './scheme.js'

const VGG_LINEAR: Readonly<Record<string, string>> = { fc6: 'fc1', fc7: 'fc2', fc8: 'predictions' }
const STATISTICS: Readonly<Record<string, string>> = { gamma: 'gamma', beta: 'beta', avg_mean: 'moving_mean', avg_var: 'moving_variance' }
/** Numbers of a block's convolutions; 4 is the projection. */
const RESNET_NUMBERS: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 3, 4: 0 }

function vggRule(link: string, kind: string): NameRule | undefined {
  const conv = /^conv(\d)_(\d)$/.exec(link)
  const layer = conv === null ? VGG_LINEAR[link] : `block${conv[1]}_conv${conv[2]}`
  if (layer === undefined) return undefined
  if (kind === 'b') return { source: `${layer}/bias` }
  if (conv !== null) return { source: `${layer}/kernel`, layout: 'hwio' }
  return link === 'fc6' ? { source: `${layer}/kernel`, layout: 'hwcIo', positions: 7 * 7 } : { source: `${layer}/kernel`, layout: 'io' }
}

/**
 * Every convolution of Keras's ResNets has a bias, which only the stem's has a place for here. A bias before a batch norm is the
 * same as a mean that is smaller by it, so the others move there: (x + b) - mean = x - (mean - b).
 */
function batchNormRule(layer: string, conv: string | undefined, kind: string): NameRule | undefined {
  const role = STATISTICS[kind]
  if (role === undefined) return undefined
  const source = `${layer}/${role}`
  return kind === 'avg_mean' && conv !== undefined ? { source, minus: `${conv}/bias` } : { source }
}

function resnetRule(link: string, kind: string): NameRule | undefined {
  if (link === 'conv1') return kind === 'b' ? { source: 'conv1_conv/bias' } : { source: 'conv1_conv/kernel', layout: 'hwio' }
  if (link === 'bn1') return batchNormRule('conv1_bn', undefined, kind)
  if (link === 'fc6') return kind === 'b' ? { source: 'probs/bias' } : { source: 'probs/kernel', layout: 'io' }
  const parsed = parseBlockLink(link)
  if (parsed === undefined) return undefined
  const prefix = `conv${parsed.stage}_block${parsed.block + 1}_${RESNET_NUMBERS[parsed.number]}`
  if (parsed.kind === 'bn') return batchNormRule(`${prefix}_bn`, `${prefix}_conv`, kind)
  return kind === 'W' ? { source: `${prefix}_conv/kernel`, layout: 'hwio' } : undefined
}

/** Weight files of keras.applications with their classifier ("top"). They are trained on BGR minus the mean, as Caffe's are. */
export const kerasNames: NameScheme = {
  id: 'keras',
  title: 'Keras',
  family: 'caffe',
  architectures: ['vgg16', 'vgg19', 'resnet50', 'resnet101', 'resnet152'],
  ignorable: [],
  variant: architecture => (isResnet(architecture) ? { batchNormEpsilon: KERAS_EPSILON, stemPool: 'padded' } : {}),
  rule(architecture, parameter) {
    const [link, kind] = splitParameter(parameter)
    return isVgg(architecture) ? vggRule(link, kind) : resnetRule(link, kind)
  },
}
