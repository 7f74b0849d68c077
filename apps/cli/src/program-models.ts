import type { Command } from 'commander'
import type { RegistryOptions } from './commands/models-registry.js'
import type { Output } from './output/output.js'

/** Text of the flag that names a registry of models. */
export const registryText = 'registry of models: a folder or s3://bucket/prefix; default: LAYERMILL_REGISTRY'

const load = async () => import('./commands/models-registry.js')

/** The commands of the registry, below `models`. */
export function addRegistry(models: Command, output: Output): void {
  // A flag that `models` itself has is read as its own.
  const add = (usage: string, description: string, example: string): Command =>
    models
      .command(usage)
      .description(description)
      .option('--registry <dest>', registryText)
      .option('--server <url>', 'a layermill serve, whose registry is meant; the token comes from LAYERMILL_TOKEN or --token-file')
      .option('--token-file <file>', 'file with the token of --server')
      .option('--json', 'machine-readable')
      .addHelpText('after', `\nExample:\n  layermill models ${example}`)
  const all = (command: Command): RegistryOptions => command.optsWithGlobals()

  add('list', 'the registered models', 'list --registry s3://bucket/registry').action(async (_options: RegistryOptions, command: Command) =>
    (await load()).listModels(output, all(command)),
  )
  add('versions', 'the versions of a registered model', 'versions pets')
    .argument('<name>', 'a registered model')
    .action(async (name: string, _options: RegistryOptions, command: Command) => (await load()).listVersions(output, name, all(command)))
  add('history', 'who changed the latest version when, and why, and what was made with other versions', 'history pets')
    .argument('<name>', 'a registered model')
    .action(async (name: string, _options: RegistryOptions, command: Command) => (await load()).showHistory(output, name, all(command)))
  add('promote', 'make a version the latest, whatever its evaluation said', "promote pets 3 --reason 'better on the photos of May'")
    .argument('<name>', 'a registered model')
    .argument('<version>', 'its number')
    .option('--reason <text>', 'kept in the history')
    .action(async (name: string, version: string, _options: RegistryOptions, command: Command) =>
      (await load()).promoteModel(output, name, version, all(command)),
    )
  add('rollback', 'go back to the version that was the latest before', "rollback pets --reason 'takes dogs for cats'")
    .argument('<name>', 'a registered model')
    .option('--reason <text>', 'kept in the history')
    .action(async (name: string, _options: RegistryOptions, command: Command) => (await load()).rollbackModel(output, name, all(command)))
}
