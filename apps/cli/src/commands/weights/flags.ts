import type { CommandDefinition } from '../../command/command.js'
import { jsonFlag } from '../../command/shared-flags.js'
import type { ImportOptions } from './action.js'

const load = async () => import('./action.js')

const importFile: CommandDefinition = {
  name: 'import',
  text: 'read weights of any format, check them, and write .safetensors or .npz',
  arguments: [{ name: '<file>', text: '.npz, .caffemodel, .safetensors, .h5 or .keras file, URL, or random[:SEED]', complete: 'file' }],
  flags: async () => [
    { flag: '--model <name>', group: 'network', text: 'network that they are of', required: true, complete: 'network' },
    ...(await import('../../command/spec-flags.js')).someSpecFlags('extract', ['prepare']).map(flag => ({
      ...flag,
      text: `${flag.text} Kept in the file.`,
    })),
    {
      flag: '--out <file>',
      group: 'output',
      text: '.safetensors or .npz file to write',
      otherwise: 'what --weights imagenet loads for this model',
      complete: 'file',
    },
  ],
  examples: [
    'weights import VGG_ILSVRC_16_layers.npz --model vgg16',
    'weights import model.safetensors --model resnet50.tv --out resnet50.npz',
  ],
  action: async (output, options: ImportOptions, file: string) => (await load()).importCommand(output, file, options),
}

export const weights: CommandDefinition = {
  name: 'weights',
  group: 'Models',
  text: 'list, fetch, import and verify pretrained weights',
  examples: [],
  commands: [
    {
      name: 'list',
      text: 'list the weights that are here, and those that are published',
      flags: [jsonFlag],
      examples: ['weights list'],
      action: async (output, options: { json?: boolean }) => (await load()).listCommand(output, options.json === true),
    },
    {
      name: 'fetch',
      text: 'download, check and convert the published weights',
      arguments: [{ name: '[models...]', text: 'networks; default: all', complete: 'network' }],
      flags: [{ flag: '--timeout <seconds>', group: 'running', text: 'seconds after which it gives up', otherwise: 'none' }],
      examples: ['weights fetch resnet50 googlenet'],
      action: async (output, { timeout }: { timeout?: string }, models: string[]) =>
        (await load()).fetchCommand(output, models, timeout === undefined ? undefined : Number(timeout)),
    },
    importFile,
    {
      name: 'verify',
      text: 'hold every file that is kept against its hash',
      examples: ['weights verify'],
      action: async output => (await load()).verifyCommand(output),
    },
  ],
}
