import type { Argument, CommandDefinition, Flag } from '../../command/command.js'
import { jsonFlag, registryFlag, serverFlag, tokenFileFlag } from '../../command/shared-flags.js'
import type { ModelsOptions } from './action.js'
import type { CheckOptions } from './check-action.js'
import type { PrepareOptions } from './prepare-action.js'
import type { RegistryOptions } from './registry-action.js'

const load = async () => import('./registry-action.js')

const registryFlags: readonly Flag[] = [
  registryFlag,
  { ...serverFlag, text: 'layermill serve, whose registry is meant; the token comes from LAYERMILL_TOKEN or --token-file' },
  tokenFileFlag,
  jsonFlag,
]

const checkCommands: readonly CommandDefinition[] = [
  {
    name: 'check',
    text: 'compute values of an ONNX file from prepared tensors; write them, or compare them with those of another program (exit code 1 beyond the tolerance)',
    arguments: [{ name: '<file>', text: 'an ONNX file, or a folder with one', complete: 'file' }],
    flags: [
      {
        flag: '--input <array>',
        group: 'input',
        text: '.npy file of the images, or NAME=FILE for another input',
        required: true,
        repeated: true,
        complete: 'file',
      },
      {
        flag: '--layers <names>',
        group: 'network',
        text: 'layers to compute, with commas',
        otherwise: "the reference's, else the outputs",
        complete: 'layers',
      },
      { flag: '--out <file>', group: 'output', text: '.npz file to write the values to, by name', otherwise: 'none', complete: 'file' },
      {
        flag: '--against <file>',
        group: 'input',
        text: '.npz file of values by name to compare with',
        otherwise: 'none',
        complete: 'file',
      },
      {
        flag: '--tolerance <share>',
        group: 'input',
        text: 'difference that is allowed, as a share of the largest number of each value',
        value: '1e-5',
      },
      jsonFlag,
    ],
    examples: ['models check ./vit.onnx --input x.npy --against reference.npz'],
    action: async (output, options: CheckOptions, file: string) => (await import('./check-action.js')).checkModel(output, file, options),
  },
  {
    name: 'prepare',
    text: 'write the tensor that a network would see of an image',
    arguments: [
      { name: '<model>', text: "a network, a model's folder or an ONNX file", complete: 'model' },
      { name: '<image>', text: 'an image file', complete: 'file' },
    ],
    flags: [
      { flag: '--out <file>', group: 'output', text: '.npy file to write', required: true, complete: 'file' },
      {
        flag: '--prepare <how>',
        group: 'network',
        text: 'preparation of the image, as for extract',
        otherwise: "as the model's files say",
      },
      { flag: '--size <WxH>', group: 'input', text: 'size of the input, as 320x256 (width first)', otherwise: "the network's own" },
      jsonFlag,
    ],
    examples: ['models prepare ./vit.onnx cat.jpg --out x.npy'],
    action: async (output, options: PrepareOptions, model: string, image: string) =>
      (await import('./prepare-action.js')).prepareForModel(output, model, image, options),
  },
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
  commands: [...checkCommands, ...registryCommands],
  action: async (output, options: ModelsOptions, name: string | undefined) =>
    (await import('./action.js')).modelsCommand(output, name, options),
}
