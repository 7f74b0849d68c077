import type { CommandDefinition, Flag } from '../../command/command.js'
import { jsonFlag, registryFlag, requiredLabelledArgument } from '../../command/shared-flags.js'
import type { AdviseCommandOptions } from './action.js'

/** Fields of an extraction that mean the same here. */
const fields = ['weights', 'resample', 'prepare', 'autoOrient', 'device', 'engine', 'maxErrors', 'requestPayer', 'noSignRequest'] as const

const own: readonly Flag[] = [
  {
    flag: '--model <name>',
    group: 'network',
    text: 'network, as resnet50 or resnet50.tv, folder or URL of a fine-tuned model, or a registered one, as pets@latest',
    required: true,
    complete: 'model',
  },
  registryFlag,
  { flag: '--layers <a,b>', group: 'network', text: 'layers to try', otherwise: 'all that a head could go on', complete: 'layers' },
  { flag: '--sample <number>', group: 'input', text: 'images to look at, spread over the classes', value: '500' },
  { flag: '--size <WxH>', group: 'input', text: 'size of the images', otherwise: "the network's own" },
  {
    flag: '--report <file>',
    group: 'output',
    text: 'HTML file with a plot of accuracy against bytes, also s3://bucket/key',
    otherwise: 'none',
    complete: 'file',
  },
  jsonFlag,
]

export const advise: CommandDefinition = {
  name: 'advise',
  group: 'Images',
  text: 'name the layer to cut a network at: a linear classifier on each of some layers of a sample',
  arguments: [requiredLabelledArgument],
  flags: async () => [...own, ...(await import('../../command/spec-flags.js')).someSpecFlags('extract', fields)],
  examples: [
    'advise ./pets --model resnet50',
    'advise ./pets --model resnet50 --report layers.html',
    'advise ./pets --model vgg16 --layers pool5,fc6,fc7 --sample 1000',
  ],
  action: async (output, options: AdviseCommandOptions, source: string) =>
    (await import('./action.js')).adviseCommand(output, source, options),
}
