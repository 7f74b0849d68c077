import type { Argument, CommandDefinition, Flag } from '../../command/command.js'
import { jsonFlag, registryFlag, serverFlag, tokenFileFlag } from '../../command/shared-flags.js'
import type { ModelsOptions } from './action.js'
import type { RegistryOptions } from './registry-action.js'

const load = async () => import('./registry-action.js')

const registryFlags: readonly Flag[] = [
  registryFlag,
  { ...serverFlag, text: 'layermill serve, whose registry is meant; the token comes from LAYERMILL_TOKEN or --token-file' },
  tokenFileFlag,
  jsonFlag,
]

const nameArgument: Argument = { name: '<name>', text: 'a registered model', complete: 'registered' }
const reasonFlag: Flag = { flag: '--reason <text>', group: 'output', text: 'reason that is kept in the history', otherwise: 'none' }

const registryCommands: readonly CommandDefinition[] = [
  {
    name: 'list',
    text: 'list the registered models',
    flags: registryFlags,
    examples: ['models list --registry s3://bucket/registry'],
    action: async (output, options: RegistryOptions) => (await load()).listModels(output, options),
  },
  {
    name: 'versions',
    text: 'list the versions of a registered model',
    arguments: [nameArgument],
    flags: registryFlags,
    examples: ['models versions pets'],
    action: async (output, options: RegistryOptions, name: string) => (await load()).listVersions(output, name, options),
  },
  {
    name: 'history',
    text: 'show who changed the latest version when, and why, and what was made with other versions',
    arguments: [nameArgument],
    flags: registryFlags,
    examples: ['models history pets'],
    action: async (output, options: RegistryOptions, name: string) => (await load()).showHistory(output, name, options),
  },
  {
    name: 'promote',
    text: 'make a version the latest, whatever its evaluation said',
    arguments: [nameArgument, { name: '<version>', text: 'its number' }],
    flags: [...registryFlags, reasonFlag],
    examples: ["models promote pets 3 --reason 'better on the photos of May'"],
    action: async (output, options: RegistryOptions, name: string, version: string) =>
      (await load()).promoteModel(output, name, version, options),
  },
  {
    name: 'rollback',
    text: 'go back to the version that was the latest before',
    arguments: [nameArgument],
    flags: [...registryFlags, reasonFlag],
    examples: ["models rollback pets --reason 'takes dogs for cats'"],
    action: async (output, options: RegistryOptions, name: string) => (await load()).rollbackModel(output, name, options),
  },
]

export const models: CommandDefinition = {
  name: 'models',
  group: 'Models',
  text: 'list the networks, or the layers of one, or of a file of weights, with shapes, bytes per image, FLOPs and parameters; or see to registered models',
  arguments: [{ name: '[name]', text: 'a network, as resnet50 or resnet50.tv, or a file of weights', complete: 'model' }],
  flags: [
    { flag: '--size <WxH>', group: 'input', text: 'size of the images, as 320x256 (width first)', otherwise: "the network's own" },
    jsonFlag,
  ],
  examples: ['models', 'models resnet50 --size 320x256', 'models ./my-resnet.keras'],
  commands: registryCommands,
  action: async (output, options: ModelsOptions, name: string | undefined) =>
    (await import('./action.js')).modelsCommand(output, name, options),
}
