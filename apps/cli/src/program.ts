import { exitCodeOfError, exitCodes, Interrupted, version } from '@layermill/core'
import { Command, CommanderError, Option } from 'commander'
import type { AdviseCommandOptions } from './commands/advise.js'
import type { EvaluateOptions } from './commands/evaluate.js'
import type { FinetuneOptions } from './commands/finetune.js'
import type { ModelsOptions } from './commands/models.js'
import type { RunOptions } from './commands/run.js'
import type { ImportOptions } from './commands/weights.js'
import { addSpecFlags } from './flags.js'
import { describeError, type Output } from './output/output.js'
import { addFeatures } from './program-features.js'
import { addFleet, addFleetFlags, type Result } from './program-fleet.js'
import { addRegistry, registryText } from './program-models.js'

function addModels(program: Command, output: Output): void {
  const models = program
    .command('models')
    .argument('[name]', 'a network, as resnet50 or resnet50.tv, or a file of weights')
    .description(
      'list the networks, or the layers of one, or of a file of weights, with shapes, bytes per image, FLOPs and parameters; or see to registered models',
    )
    .option('--size <WxH>', 'size of the images')
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill models\n  layermill models resnet50 --size 320x256\n  layermill models ./my-resnet.keras',
    )
    .action(async (name: string | undefined, options: ModelsOptions) =>
      (await import('./commands/models.js')).modelsCommand(output, name, options),
    )
  addRegistry(models, output)
}

function addExtract(program: Command, output: Output, result: Result): void {
  const command = program
    .command('extract')
    .argument(
      '[source]',
      'images: a folder, glob, list file, tar or parquet files (train-{000..099}.tar, data/*.parquet), one image, or the same in s3://bucket/prefix',
    )
    .description('write the activations of layers for every image')
  addFleetFlags(addSpecFlags(command, 'extract'))
    .option('--json', 'machine-readable lines')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill extract ./photos --model resnet50 --layers res4,pool5 --out ./features\n  layermill extract ./photos --model vgg16 --weights ./VGG_ILSVRC_16_layers.caffemodel --out ./features\n  layermill extract "s3://bucket/train-{000..099}.parquet" --model resnet50 --layers pool5 --out s3://bucket/features\n  layermill extract s3://bucket/photos/ --model vgg16 --layers fc7 --out s3://bucket/features --queue redis://localhost:6379',
    )
    .action(async (source: string | undefined, options: RunOptions) => {
      result.exitCode = await (await import('./commands/extract.js')).extractCommand(output, source, options)
    })
}

function addPredict(program: Command, output: Output, result: Result): void {
  const command = program
    .command('predict')
    .argument(
      '[source]',
      'images: a folder, glob, list file, tar or parquet files (train-{000..099}.tar, data/*.parquet), one image, or the same in s3://bucket/prefix',
    )
    .description('name the likeliest classes of every image')
  addFleetFlags(addSpecFlags(command, 'predict'))
    .option('--json', 'machine-readable lines')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill predict cat.jpg --model resnet50\n  layermill predict ./photos --model googlenet --oversample --top 3 --out classes.csv\n  layermill predict s3://bucket/photos/ --model resnet50 --out s3://bucket/classes.jsonl --server https://layermill.example',
    )
    .action(async (source: string | undefined, options: RunOptions) => {
      result.exitCode = await (await import('./commands/predict.js')).predictCommand(output, source, options)
    })
}

function addFinetune(program: Command, output: Output, result: Result): void {
  const command = program
    .command('finetune')
    .argument(
      '[source]',
      'images with labels: one folder for each class, a .csv or .jsonl list, tar or parquet files (train-{000..099}.tar, data/*.parquet), or the same in s3://bucket/prefix',
    )
    .description('train a new head on a pretrained network, and the network with it where asked')
  addFleetFlags(addSpecFlags(command, 'finetune'))
    .option('--margin <share>', 'accuracy that a registered model may lose and still become the latest version; default: 0.01')
    .option('--held-out <source>', 'images that versions are compared on; default: those that the run holds out')
    .addOption(new Option('--general-path', 'compute from images where features could be stored').hideHelp())
    .option('--json', 'machine-readable lines')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill finetune ./pets --model resnet50 --layer pool5 --head 512 --epochs 5 --out ./models/pets\n  layermill finetune ./pets --model resnet50 --base res5=1,res4=0.1 --learning-rate 0.0001 --augment flip,crop --out ./models/pets\n  layermill finetune -f pets.yaml --queue redis://localhost:6379\n  layermill finetune ./pets --model resnet50 --out ./runs/pets-may --register pets --registry ./registry\n  layermill predict ./photos --model ./models/pets',
    )
    .action(async (source: string | undefined, options: FinetuneOptions) => {
      result.exitCode = await (await import('./commands/finetune.js')).finetuneCommand(output, source, options)
    })
}

function addAdvise(program: Command, output: Output, result: Result): void {
  program
    .command('advise')
    .argument(
      '<source>',
      'images with labels: one folder for each class, a .csv or .jsonl list, tar or parquet files (train-{000..099}.tar, data/*.parquet), or the same in s3://bucket/prefix',
    )
    .description('which layer to cut a network at: a linear classifier on each of some layers of a sample')
    .requiredOption(
      '--model <name>',
      'a network, as resnet50 or resnet50.tv, the folder or URL of a fine-tuned model, or a registered one, as pets@latest',
    )
    .option('--registry <dest>', registryText)
    .option('--weights <source>', 'as of extract')
    .option('--layers <a,b>', 'layers to try; default: all that a head could go on')
    .option('--sample <number>', 'images to look at, spread over the classes', '500')
    .option('--size <WxH>', "size of the images; default: the network's own")
    .option('--resample <value>', 'as of extract')
    .option('--prepare <value>', 'as of extract')
    .option('--auto-orient', 'as of extract')
    .option('--device <value>', 'as of extract')
    .option('--engine <value>', 'as of extract')
    .option('--max-errors <value>', 'as of extract')
    .option('--request-payer', 'as of extract')
    .option('--no-sign-request', 'as of extract')
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill advise ./pets --model resnet50\n  layermill advise ./pets --model vgg16 --layers pool5,fc6,fc7 --sample 1000',
    )
    .action(async (source: string, options: AdviseCommandOptions) => {
      result.exitCode = await (await import('./commands/advise.js')).adviseCommand(output, source, options)
    })
}

function addEvaluate(program: Command, output: Output, result: Result): void {
  const command = program
    .command('evaluate')
    .argument(
      '[source]',
      'images with labels: one folder for each class, a .csv or .jsonl list, tar or parquet files (train-{000..099}.tar, data/*.parquet), or the same in s3://bucket/prefix',
    )
    .description('how well a model recognises labelled images: accuracy, every class, what is taken for what')
  addFleetFlags(addSpecFlags(command, 'predict', ['top', 'out', 'plan']))
    .option(
      '--out <dest>',
      'a folder or s3://bucket/prefix for report.html, evaluation.json and predictions.jsonl; a fleet (--queue, --server) needs it',
    )
    .option('--min-accuracy <share>', 'fail (exit code 1) where the accuracy is lower, as 0.9 or 90%')
    .option('--json', 'machine-readable lines')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill evaluate ./pets-test --model ./models/pets --out ./pets-report\n  layermill evaluate s3://bucket/test/ --model pets@latest --registry s3://bucket/models --min-accuracy 0.9 --json',
    )
    .action(async (source: string | undefined, options: EvaluateOptions) => {
      result.exitCode = await (await import('./commands/evaluate.js')).evaluateCommand(output, source, options)
    })
}

function addWeights(program: Command, output: Output, result: Result): void {
  const weights = program.command('weights').description('list, fetch, import and verify pretrained weights')
  weights
    .command('list')
    .description('which weights are here, and what is published')
    .option('--json', 'machine-readable')
    .action(async (options: { json?: boolean }) => (await import('./commands/weights.js')).listCommand(output, options.json === true))
  weights
    .command('fetch')
    .argument('[models...]', 'networks; default: all')
    .description('download, check and convert the published weights')
    .option('--timeout <seconds>', 'give up after this time', Number)
    .action(async (models: string[], options: { timeout?: number }) =>
      (await import('./commands/weights.js')).fetchCommand(output, models, options.timeout),
    )
  weights
    .command('import')
    .argument('<file>', '.npz, .caffemodel, .safetensors, .h5 or .keras file, URL, or random[:SEED]')
    .description('read weights of any format, check them, and write .safetensors or .npz')
    .requiredOption('--model <name>', 'the network they are of')
    .option('--prepare <value>', 'how images are prepared for them, as of extract; kept in the file')
    .option('--out <file>', '.safetensors or .npz; default: what --weights imagenet loads for this model')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill weights import VGG_ILSVRC_16_layers.npz --model vgg16\n  layermill weights import model.safetensors --model resnet50.tv --out resnet50.npz',
    )
    .action(async (file: string, options: ImportOptions) => (await import('./commands/weights.js')).importCommand(output, file, options))
  weights
    .command('verify')
    .description('hold every file that is kept against its hash')
    .action(async () => {
      result.exitCode = await (await import('./commands/weights.js')).verifyCommand(output)
    })
}

function createProgram(output: Output, result: Result): Command {
  const program = new Command('layermill')
    .description('Activations of any layer of pretrained image networks, and fine-tuning, on one machine or a fleet')
    .version(version)
    .showHelpAfterError('(add --help for the flags and examples)')
    .exitOverride()
  addModels(program, output)
  addExtract(program, output, result)
  addPredict(program, output, result)
  addFeatures(program, output, result)
  addFinetune(program, output, result)
  addAdvise(program, output, result)
  addEvaluate(program, output, result)
  addWeights(program, output, result)
  addFleet(program, output, result)
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
    await createProgram(output, result).parseAsync(args, { from: 'user' })
    return result.exitCode
  } catch (error) {
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
