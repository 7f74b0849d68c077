import type { CommandDefinition, Flag } from '../../command/command.js'
import { fleetFlags, jsonFlag, labelledArgument } from '../../command/shared-flags.js'
import type { FinetuneOptions } from './action.js'

const registering: readonly Flag[] = [
  {
    flag: '--margin <share>',
    group: 'network',
    text: 'accuracy that a registered model may lose and still become the latest version',
    otherwise: '0.01',
  },
  {
    flag: '--held-out <source>',
    group: 'input',
    text: 'images that versions are compared on',
    otherwise: 'those that the run holds out',
    complete: 'file',
  },
  {
    flag: '--search <values>',
    group: 'training',
    text: 'settings to choose from by cross-validation on stored features, as "learning-rate=0.001,0.01 weight-decay=0,0.0001 head=none,256"',
    otherwise: 'none',
  },
  { flag: '--folds <number>', group: 'training', text: 'parts of the training images for --search', value: '5' },
  {
    flag: '--allow-leaks',
    group: 'running',
    text: 'compare versions also on held-out images that are trained on, byte for byte or nearly',
  },
  { flag: '--general-path', group: 'running', text: 'compute from images where features could be stored', hidden: true },
]

export const finetune: CommandDefinition = {
  name: 'finetune',
  group: 'Images',
  text: 'train a new head on a pretrained network, and the network with it where asked',
  arguments: [labelledArgument],
  flags: async () => [...(await import('../../command/spec-flags.js')).specFlags('finetune'), ...registering, jsonFlag, ...fleetFlags],
  examples: [
    'finetune ./pets --model resnet50 --layer pool5 --head 512 --epochs 5 --out ./models/pets',
    'finetune ./pets --model resnet50 --base res5=1,res4=0.1 --learning-rate 0.0001 --augment flip,crop --out ./models/pets',
    'finetune pets.csv --targets species:class,tags:multi-label,weight_kg:regression --out ./models/pets',
    'finetune -f pets.yaml --queue redis://localhost:6379',
    'finetune ./pets --model resnet50 --out ./runs/pets-may --register pets --registry ./registry',
    'finetune ./pets --search "learning-rate=0.001,0.01 head=none,256" --folds 5 --out ./models/pets',
    'predict ./photos --model ./models/pets',
  ],
  action: async (output, options: FinetuneOptions, source: string | undefined) =>
    (await import('./action.js')).finetuneCommand(output, source, options),
}
