import type { Architecture } from '@layermill/models'
import {
  ALL_ARCHITECTURES,
  isResnet,
  isVgg,
  type NameRule,
  type NameScheme,
  parseBlockLink,
  parseInceptionLink,
  splitParameter,
} from './scheme.js'

/** Links of GoogLeNet outside the inception blocks. */
const GOOGLENET_LINKS: Readonly<Record<string, string>> = {
  conv1: 'conv1/7x7_s2',
  conv2_reduce: 'conv2/3x3_reduce',
  conv2: 'conv2/3x3',
  loss1_conv: 'loss1/conv',
  loss1_fc1: 'loss1/fc',
  loss1_fc2: 'loss1/classifier',
  loss2_conv: 'loss2/conv',
  loss2_fc1: 'loss2/fc',
  loss2_fc2: 'loss2/classifier',
  loss3_fc: 'loss3/classifier',
}

const INCEPTION_BRANCHES: Readonly<Record<string, string>> = {
  conv1: '1x1',
  proj3: '3x3_reduce',
  conv3: '3x3',
  proj5: '5x5_reduce',
  conv5: '5x5',
  projp: 'pool_proj',
}

/** Convolutions of a ResNet's block by number. */
const RESNET_BRANCHES: Readonly<Record<number, string>> = { 1: 'branch2a', 2: 'branch2b', 3: 'branch2c', 4: 'branch1' }

/** A BatchNorm layer's blobs: mean, variance, and the factor that both are divided by; the Scale layer after it has gamma and beta. */
function batchNormRule(name: string, kind: string): NameRule | undefined {
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

function layerRule(layer: string, kind: string): NameRule | undefined {
  if (kind === 'W') return { source: `${layer}[0]` }
  return kind === 'b' ? { source: `${layer}[1]` } : undefined
}

/** `4a` to `4f` in ResNet-50; `4a`, `4b1`, `4b2` in stages 3 and 4 of the deeper ones. */
function blockName(architecture: Architecture, stage: number, block: number): string {
  const numbered = architecture !== 'resnet50' && (stage === 3 || stage === 4)
  if (block === 0) return `${stage}a`
  return numbered ? `${stage}b${block}` : `${stage}${String.fromCharCode('a'.charCodeAt(0) + block)}`
}

function resnetRule(architecture: Architecture, link: string, kind: string): NameRule | undefined {
  if (link === 'conv1') return kind === 'b' ? { source: 'conv1[1]', whenAbsent: 'zero' } : layerRule('conv1', kind)
  if (link === 'bn1') return batchNormRule('_conv1', kind)
  if (link === 'fc6') return layerRule('fc1000', kind)
  const parsed = parseBlockLink(link)
  if (parsed === undefined) return undefined
  const name = `${blockName(architecture, parsed.stage, parsed.block)}_${RESNET_BRANCHES[parsed.number]}`
  return parsed.kind === 'conv' ? layerRule(`res${name}`, kind) : batchNormRule(name, kind)
}

function googlenetRule(link: string, kind: string): NameRule | undefined {
  const inception = parseInceptionLink(link)
  const branch = inception === undefined ? undefined : INCEPTION_BRANCHES[inception.branch]
  const layer = inception === undefined ? GOOGLENET_LINKS[link] : branch && `inception_${inception.block}/${branch}`
  const rule = layer === undefined ? undefined : layerRule(layer, kind)
  // Saved by a network without them, as the one to deploy is.
  return rule === undefined || !/^loss[12]_/.test(link) ? rule : { ...rule, whenAbsent: 'auxiliary' }
}

/** The published models of Oxford (VGG), MSRA (ResNet) and BVLC (GoogLeNet). */
export const caffeNames: NameScheme = {
  id: 'caffe',
  title: 'Caffe',
  family: 'caffe',
  architectures: ALL_ARCHITECTURES,
  ignorable: [],
  variant: () => ({}),
  rule(architecture, parameter) {
    const [link, kind] = splitParameter(parameter)
    if (isVgg(architecture)) return layerRule(link, kind)
    return isResnet(architecture) ? resnetRule(architecture, link, kind) : googlenetRule(link, kind)
  },
}
