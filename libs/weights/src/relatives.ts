import type { TensorFile } from './types.js'

type Entries = TensorFile['entries']

/** The shape of the tensor whose name ends so. */
function shapeOf(entries: Entries, ending: string): readonly number[] | undefined {
  for (const [name, { shape }] of entries) if (name === ending || name.endsWith(`.${ending}`)) return shape
  return undefined
}

function relativeOfResnet(entries: Entries, names: readonly string[]): string | undefined {
  const middle = shapeOf(entries, 'layer1.0.conv2.weight')
  if (middle === undefined) return undefined
  if (shapeOf(entries, 'conv1.0.weight') !== undefined) return 'a ResNet with a stem of several convolutions (resnet50d, resnet50c)'
  if (shapeOf(entries, 'layer1.0.conv3.weight') === undefined) return 'a ResNet of basic blocks (resnet18, resnet34)'
  if (names.some(name => /\.se\.|\.se_module\.|\.attn\./.test(name))) return 'a ResNet with channel attention (seresnet50)'
  if (!names.some(name => name.endsWith('.running_mean')))
    return 'a ResNet with another normalisation than batch norms (resnet50_gn), or one without its statistics'
  if (middle[0] !== middle[1]) return 'a ResNeXt (grouped convolutions)'
  return middle[0] === 64 ? undefined : 'a wide ResNet'
}

/** A well-known network that a file's tensors look like and that is none of those here; undefined where none comes to mind. */
export function relativeOf({ entries }: Pick<TensorFile, 'entries'>): string | undefined {
  const names = [...entries.keys()]
  if (names.some(name => /(^|\.)features\.1\.running_mean$/.test(name))) return 'a VGG with batch norms (vgg16_bn, vgg19_bn)'
  if (names.some(name => name.includes('_preact_bn/'))) return "one of Keras's ResNetV2"
  if (names.some(name => /(^|\.)features\.denseblock1\./.test(name))) return 'a DenseNet'
  if (names.some(name => /(^|\.)(Mixed_5b|Conv2d_1a_3x3)\./.test(name))) return 'an Inception of version 3 (GoogLeNet is version 1)'
  if (names.some(name => /(^|\.)(patch_embed|patch_embeddings)\./.test(name))) return 'a vision transformer'
  if (names.some(name => /(^|\.)stages\.0\.blocks\.0\.norm1\./.test(name))) return "one of timm's ResNetV2"
  return relativeOfResnet(entries, names)
}
