import { Argument as CommanderArgument, Command, Option } from 'commander'
import type { Output } from '../output/output.js'
import { type CommandDefinition, type Flag, flagGroups, flagsOf } from './command.js'
import { flagText, helpConfiguration } from './help.js'

/** Exit code that a command sets for the process. */
export interface Result {
  exitCode: number
}

/** A flag that may be given more than once. */
const collect = (value: string, before: string[] = []): string[] => [...before, value]

const heading = (group: string): string => `${group.charAt(0).toUpperCase()}${group.slice(1)}:`

function optionOf(flag: Flag): Option {
  const option = new Option(flag.flag, flagText(flag)).helpGroup(heading(flag.group)).hideHelp(flag.hidden === true)
  if (flag.value !== undefined) option.default(flag.value)
  if (flag.env !== undefined) option.env(flag.env)
  if (flag.repeated === true) option.argParser(collect)
  return option.makeOptionMandatory(flag.required === true)
}

const examplesText = (examples: readonly string[]): string =>
  `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${examples.map(example => `  layermill ${example}`).join('\n')}`

/** A command without its flags, for the lists of commands. */
function outline({ name, text, group, arguments: args = [], examples }: CommandDefinition): Command {
  const command = new Command(name).description(text)
  if (group !== undefined) command.helpGroup(heading(group))
  for (const argument of args) command.addArgument(new CommanderArgument(argument.name, argument.text))
  if (examples.length > 0) command.addHelpText('after', examplesText(examples))
  return command
}

type LooseAction = (output: Output, options: object, ...args: unknown[]) => Promise<number | void>

/** Output of actions, and the place of their exit code. */
interface Wiring {
  readonly output: Output
  readonly result: Result
}

async function fill(command: Command, definition: CommandDefinition, isCalled: (name: string) => boolean, wiring: Wiring): Promise<void> {
  const flags = await flagsOf(definition)
  const byGroup = flagGroups.flatMap(group => flags.filter(flag => flag.group === group))
  for (const flag of byGroup) command.addOption(optionOf(flag))
  if (definition.action !== undefined) {
    const action = definition.action as LooseAction
    command.action(async (...given: unknown[]) => {
      // Commander hands over the arguments, then the options and the command.
      // A flag that the parent has as well is read as the parent's own.
      const code = await action(wiring.output, command.optsWithGlobals(), ...given.slice(0, -2))
      if (code !== undefined) wiring.result.exitCode = code
    })
  }
  await addCommands(command, definition.commands ?? [], isCalled, wiring)
}

/** Adds commands below another: with flags and actions those that may be called, by name only the others. */
export async function addCommands(
  parent: Command,
  definitions: readonly CommandDefinition[],
  isCalled: (name: string) => boolean,
  wiring: Wiring,
): Promise<void> {
  for (const definition of definitions) {
    const command = outline(definition).copyInheritedSettings(parent).configureHelp(helpConfiguration)
    parent.addCommand(command, { hidden: definition.hidden === true })
    if (isCalled(definition.name)) await fill(command, definition, isCalled, wiring)
  }
}
