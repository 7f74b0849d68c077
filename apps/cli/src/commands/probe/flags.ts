import type { CommandDefinition } from '../../command/command.js'
import { featuresFlag, jsonFlag, layerToLookAtFlag, relabelledArgument } from '../../command/shared-flags.js'
import type { ProbeCommandOptions } from './action.js'

export const probe: CommandDefinition = {
  name: 'probe',
  group: 'Features',
  text: 'judge stored features by a linear classifier, cross-validated: accuracy with its interval for each penalty',
  arguments: [relabelledArgument],
  flags: [
    featuresFlag,
    layerToLookAtFlag,
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
