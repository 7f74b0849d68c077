import { Command, CommanderError } from 'commander'
import { LayermillError } from '@layermill/models'
import { modelsCommand, type ModelsOptions } from './commands/models.js'
import { exitCodes } from './exit-codes.js'
import { describeError, type Output } from './output/output.js'

/** Codes of errors that mean the command itself was wrong. */
const usageCodes = new Set(['SPEC_INVALID', 'MODEL_UNKNOWN', 'LAYER_UNKNOWN', 'INPUT_SIZE'])

function addModels(program: Command, output: Output): void {
  program
    .command('models')
    .argument('[name]', 'a network, as resnet50 or resnet50.tv')
    .description('list the networks, or the layers of one with shapes, bytes per image, FLOPs and parameters')
    .option('--size <WxH>', 'size of the images')
    .option('--json', 'machine-readable')
    .addHelpText('after', '\nExamples:\n  layermill models\n  layermill models resnet50 --size 320x256')
    .action((name: string | undefined, options: ModelsOptions) => modelsCommand(output, name, options))
}

function createProgram(output: Output): Command {
  const program = new Command('layermill')
    .description('Activations of any layer of pretrained image networks, and fine-tuning, on one machine or a fleet')
    .version('0.1.0')
    .showHelpAfterError('(add --help for the flags and examples)')
    .exitOverride()
  addModels(program, output)
  return program
}

/**
 * Runs one command line (without node and script) and returns the exit code.
 * Errors are written for people, never with a stack; `signal` ends a long run so that it can be resumed.
 */
export async function runProgram(args: readonly string[], output: Output): Promise<number> {
  try {
    await createProgram(output).parseAsync(args, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    output.note(describeError(error))
    return error instanceof LayermillError && usageCodes.has(error.code) ? exitCodes.usage : exitCodes.failed
  }
}
