import { exitCodeOfError, exitCodes, firstError, Interrupted, version } from '@layermill/core'
import { Command, CommanderError } from 'commander'
import { addCommands, type Result } from './command/build.js'
import { helpConfiguration } from './command/help.js'
import { commands } from './commands/index.js'
import { describeError, type Output } from './output/output.js'

async function createProgram(args: readonly string[], output: Output, result: Result): Promise<Command> {
  const program = new Command('layermill')
    .description('Activations of any layer of pretrained image networks, and fine-tuning, on one machine or a fleet')
    .version(version)
    .showHelpAfterError('(add --help for the flags and examples)')
    .configureHelp(helpConfiguration)
    .exitOverride()
  await addCommands(program, commands, name => args.includes(name), { output, result })
  return program
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1)
const extensionOf = (path: string): string => /\.\w+$/.exec(path)?.[0] ?? ''

/** Says it where several files stand in the place of one source, beside each other: the shell has put them in a pattern's place. */
function sayExcess(args: readonly string[], output: Output): void {
  const [command = '', ...rest] = args
  const pairs = rest
    .slice(1)
    .map((second, i) => [rest[i] ?? '', second] as const)
    .filter(([a, b]) => !a.startsWith('-') && folderOf(a) === folderOf(b) && extensionOf(a) !== '' && extensionOf(b) !== '')
  // The value of a flag may stand before the files: those of one kind are surely of the pattern.
  const alike = pairs.find(([a, b]) => extensionOf(a) === extensionOf(b))
  const [first] = alike ?? pairs[0] ?? []
  if (first === undefined) return
  const pattern = `${folderOf(first)}*${alike === undefined ? '' : extensionOf(first)}`
  output.note(
    `a source is one text: put a pattern in quotes, as in layermill ${command} "${pattern}", so that the shell does not put the files in its place`,
  )
}

/**
 * Runs one command line (without node and script) and returns the exit code. Errors are written for people, never with a stack.
 */
export async function runProgram(args: readonly string[], output: Output): Promise<number> {
  const result: Result = { exitCode: exitCodes.done }
  try {
    const program = await createProgram(args, output, result)
    await program.parseAsync(args, { from: 'user' })
    return result.exitCode
  } catch (thrown) {
    const error = firstError(thrown)
    if (error instanceof CommanderError && error.code === 'commander.excessArguments') sayExcess(args, output)
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    if (error instanceof Interrupted) {
      output.note(`${error.message}; the same command goes on from here`)
      return exitCodes.interrupted
    }
    output.note(describeError(error))
    return exitCodeOfError(error)
  }
}
