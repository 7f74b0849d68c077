/** Modules of a block's or shortcut's unit in transformers. */
const UNIT: Readonly<Record<string, string>> = { convolution: 'conv', normalization: 'bn' }

/**
 * torchvision's key of a tensor of transformers' `ResNetModel`: `encoder.stages.0.layers.1.layer.2.convolution.weight` is
 * `layer1.1.conv3.weight`. Names of other modules stay as they are.
 */
export function transformersKey(name: string): string {
  const stem = /^embedder\.embedder\.(convolution|normalization)\.(.+)$/.exec(name)
  if (stem !== null) return `${UNIT[stem[1]!]}1.${stem[2]}`
  const unit = /^encoder\.stages\.(\d+)\.layers\.(\d+)\.(?:layer\.(\d+)|(shortcut))\.(convolution|normalization)\.(.+)$/.exec(name)
  if (unit === null) return name
  const [, stage, block, number, shortcut, kind, parameter] = unit
  const module = shortcut === undefined ? `${UNIT[kind!]}${Number(number) + 1}` : `downsample.${kind === 'convolution' ? 0 : 1}`
  return `layer${Number(stage) + 1}.${block}.${module}.${parameter}`
}
