import type { CommandDefinition } from '../../command/command.js'
import { jsonFlag } from '../../command/shared-flags.js'
import type { ProbeCommandOptions } from './action.js'

export const probe: CommandDefinition = {
  name: 'probe',
  group: 'Features',
  text: 'judge stored features by a linear classifier, cross-validated: accuracy with its interval for each penalty',
  arguments: [
    { name: '[source]', text: 'the same images with other labels: a folder of classes, a list file and so on', complete: 'file' },
  ],
  flags: [
    {
      flag: '--features <dest>',
      group: 'input',
      text: 'results of extract: a folder or s3://bucket/prefix',
      required: true,
      complete: 'folder',
    },
    { flag: '--layer <name>', group: 'input', text: 'layer to look at', otherwise: 'the only one of the run', complete: 'layer' },
    {
      flag: '--c <numbers>',
      group: 'training',
      text: 'inverse strengths of the L2 penalty to try, as scikit-learn has them, several with commas',
      value: '0.01,0.1,1,10,100',
    },
    { flag: '--folds <number>', group: 'running', text: 'parts of the images, each of which is judged by a fit to the others', value: '5' },
    { flag: '--repeats <number>', group: 'running', text: 'times that this is done with other folds', value: '1' },
    { flag: '--raw', group: 'training', text: 'take the features as they are, not centred and scaled by those that a fit is made of' },
    { flag: '--seed <text>', group: 'running', text: 'seed of the folds', value: '0' },
    jsonFlag,
  ],
  examples: [
    'probe --features ./features --layer pool5',
    'probe ./photos --features ./features --layer pool5 --folds 10 --repeats 3 --c 0.1,1,10 --json',
  ],
  action: async (output, options: ProbeCommandOptions, source: string | undefined) =>
    (await import('./action.js')).probeCommand(output, source, options),
}
