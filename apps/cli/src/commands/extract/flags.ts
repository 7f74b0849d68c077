import type { CommandDefinition } from '../../command/command.js'
import { fleetFlags, imagesArgument, jsonFlag } from '../../command/shared-flags.js'
import type { RunOptions } from '../../run/carry-out.js'

export const extract: CommandDefinition = {
  name: 'extract',
  group: 'Images',
  text: 'write the activations of layers for every image',
  arguments: [imagesArgument],
  flags: async () => [...(await import('../../command/spec-flags.js')).specFlags('extract'), jsonFlag, ...fleetFlags],
  examples: [
    'extract ./photos --model resnet50 --layers res4,pool5 --out ./features',
    'extract ./photos --model vgg16 --weights ./VGG_ILSVRC_16_layers.caffemodel --out ./features',
    'extract "s3://bucket/train-{000..099}.parquet" --model resnet50 --layers pool5 --out s3://bucket/features',
    'extract s3://bucket/photos/ --model vgg16 --layers fc7 --out s3://bucket/features --queue redis://localhost:6379',
  ],
  action: async (output, options: RunOptions, source: string | undefined) =>
    (await import('./action.js')).extractCommand(output, source, options),
}
