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

/** Index of each convolution in `features`, by stage. */
const VGG_FEATURES: Readonly<Record<string, readonly (readonly number[])[]>> = {
  vgg16: [[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]],
  vgg19: [[0, 2], [5, 7], [10, 12, 14, 16], [19, 21, 23, 25], [28, 30, 32, 34]],
} // prettier-ignore

const VGG_CLASSIFIER: Readonly<Record<string, string>> = { fc6: 'classifier.0', fc7: 'classifier.3', fc8: 'classifier.6' }

const GOOGLENET_LINKS: Readonly<Record<string, string>> = {
  conv1: 'conv1',
  conv2_reduce: 'conv2',
  conv2: 'conv3',
  loss1_conv: 'aux1.conv',
  loss1_fc1: 'aux1.fc1',
  loss1_fc2: 'aux1.fc2',
  loss2_conv: 'aux2.conv',
  loss2_fc1: 'aux2.fc1',
  loss2_fc2: 'aux2.fc2',
  loss3_fc: 'fc',
}

const INCEPTION_BRANCHES: Readonly<Record<string, string>> = {
  conv1: 'branch1',
  proj3: 'branch2.0',
  conv3: 'branch2.1',
  proj5: 'branch3.0',
  conv5: 'branch3.1',
  projp: 'branch4.1',
}

const KINDS: Readonly<Record<string, string>> = {
  W: 'weight',
  b: 'bias',
  gamma: 'weight',
  beta: 'bias',
  avg_mean: 'running_mean',
  avg_var: 'running_var',
}

/** `features.17` of `conv4_1`. */
export function vggFeature(architecture: Architecture, link: string): string | undefined {
  const match = /^conv(\d)_(\d)$/.exec(link)
  const index = match === null ? undefined : VGG_FEATURES[architecture]?.[Number(match[1]) - 1]?.[Number(match[2]) - 1]
  return index === undefined ? undefined : `features.${index}`
}

function resnetModule(link: string): string | undefined {
  if (link === 'conv1' || link === 'bn1') return link
  if (link === 'fc6') return 'fc'
  const parsed = parseBlockLink(link)
  if (parsed === undefined) return undefined
  const { stage, block, kind, number } = parsed
  const module = number === 4 ? `downsample.${kind === 'conv' ? 0 : 1}` : `${kind}${number}`
  return `layer${stage - 1}.${block}.${module}`
}

/** Links of GoogLeNet: a convolution is `X`, its batch norm `X/bn`. */
function googlenetModule(link: string): string | undefined {
  const isNorm = link.endsWith('/bn')
  const base = isNorm ? link.slice(0, -'/bn'.length) : link
  const inception = parseInceptionLink(base)
  const branch = inception === undefined ? undefined : INCEPTION_BRANCHES[inception.branch]
  const module = inception === undefined ? GOOGLENET_LINKS[base] : branch && `inception${inception.block}.${branch}`
  if (module === undefined) return undefined
  return base.includes('fc') ? module : `${module}.${isNorm ? 'bn' : 'conv'}`
}

/** The state-dict key of a parameter. */
export function torchvisionKey(architecture: Architecture, parameter: string): string | undefined {
  const [link, kind] = splitParameter(parameter)
  const ending = KINDS[kind]
  let module: string | undefined
  if (isVgg(architecture)) module = vggFeature(architecture, link) ?? VGG_CLASSIFIER[link]
  else module = isResnet(architecture) ? resnetModule(link) : googlenetModule(link)
  return module === undefined || ending === undefined ? undefined : `${module}.${ending}`
}

function toRule(parameter: string, source: string | undefined): NameRule | undefined {
  if (source === undefined) return undefined
  // torchvision drops the auxiliary classifiers when it loads the published file: what was saved after that lacks them.
  return /^loss[12]_/.test(parameter) ? { source, whenAbsent: 'auxiliary' } : { source }
}

export const torchvisionNames: NameScheme = {
  id: 'torchvision',
  title: 'torchvision',
  family: 'torchvision',
  architectures: ALL_ARCHITECTURES,
  ignorable: [/\.num_batches_tracked$/],
  variant: () => ({}),
  rule: (architecture, parameter) => toRule(parameter, torchvisionKey(architecture, parameter)),
}
