import type { CommandDefinition } from '../../command/command.js'
import { fleetFlags, imagesArgument, jsonFlag } from '../../command/shared-flags.js'
import type { RunOptions } from '../../run/carry-out.js'

export const predict: CommandDefinition = {
  name: 'predict',
  group: 'Images',
  text: 'name the likeliest classes of every image',
  arguments: [imagesArgument],
  flags: async () => [...(await import('../../command/spec-flags.js')).specFlags('predict'), jsonFlag, ...fleetFlags],
  examples: [
    'predict cat.jpg --model resnet50',
    'predict ./photos --model googlenet --oversample --top 3 --out classes.csv',
    'predict s3://bucket/photos/ --model resnet50 --out s3://bucket/classes.jsonl --server https://layermill.example',
  ],
  action: async (output, options: RunOptions, source: string | undefined) =>
    (await import('./action.js')).predictCommand(output, source, options),
}
