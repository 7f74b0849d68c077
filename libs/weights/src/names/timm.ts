import { type NameRule, type NameScheme, splitParameter } from './scheme.js'
import { vggFeature } from './torchvision.js'

/** timm keeps VGG's classifier as convolutions over the 7x7 map. Its ResNets have torchvision's names. */
const VGG_HEAD: Readonly<Record<string, string>> = { fc6: 'pre_logits.fc1', fc7: 'pre_logits.fc2', fc8: 'head.fc' }

export const timmNames: NameScheme = {
  id: 'timm',
  title: 'timm (VGG)',
  family: 'torchvision',
  architectures: ['vgg16', 'vgg19'],
  ignorable: [],
  variant: () => ({}),
  rule(architecture, parameter): NameRule | undefined {
    const [link, kind] = splitParameter(parameter)
    const module = vggFeature(architecture, link) ?? VGG_HEAD[link]
    if (module === undefined || (kind !== 'W' && kind !== 'b')) return undefined
    if (kind === 'b') return { source: `${module}.bias` }
    return { source: `${module}.weight`, layout: module.startsWith('pre_logits') ? 'flatten' : 'same' }
  },
}
