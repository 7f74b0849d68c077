import type { Command } from 'commander'
import type { ExportCommandOptions } from './commands/export.js'
import type { SimilarOptions } from './commands/similar.js'
import type { Output } from './output/output.js'
import type { Result } from './program-fleet.js'

const featuresText = 'what extract wrote: a folder or s3://bucket/prefix'
const layerText = 'the layer; may be left out where the run has only one'

function addSimilar(program: Command, output: Output, result: Result): void {
  program
    .command('similar')
    .argument('[image]', 'an image: a file, or s3://bucket/key')
    .description('the images of an extraction whose features are nearest to those of an image; every one is compared')
    .requiredOption('--features <dest>', featuresText)
    .option('--layer <name>', layerText)
    .option('--key <key>', 'instead of an image: the key of one of the extraction, whose stored features are taken')
    .option('--top <number>', 'images to give', '10')
    .option('--metric <name>', 'cosine (one minus the cosine) or l2 (Euclidean distance)', 'cosine')
    .option('--out <file>', 'write them to a .csv or .jsonl file, also s3://bucket/key')
    .option('--model <name>', "where the run's fine-tuned model is now; default: where it was")
    .option('--weights <source>', "where the run's weights are now; default: where they were")
    .option('--device <value>', 'as of extract')
    .option('--engine <value>', 'as of extract')
    .option('--request-payer', 'as of extract, for the image')
    .option('--no-sign-request', 'as of extract, for the image')
    .option('--json', 'machine-readable lines')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill similar cat.jpg --features ./features --layer pool5\n  layermill similar --key pets/cat-001.jpg --features s3://bucket/features --layer fc7 --metric l2 --top 100 --out nearest.csv',
    )
    .action(async (image: string | undefined, options: SimilarOptions) => {
      result.exitCode = await (await import('./commands/similar.js')).similarCommand(output, image, options)
    })
}

function addExport(program: Command, output: Output, result: Result): void {
  program
    .command('export')
    .argument('<features>', featuresText)
    .description('write the features of a layer as one table, for a vector store or other programs')
    .requiredOption(
      '--to <format>',
      'parquet, or lancedb (its client is installed by: npm install @lancedb/lancedb@0.30.0 apache-arrow@18.1.0)',
    )
    .requiredOption('--out <dest>', 'a .parquet file, or the folder of a LanceDB database; also s3://bucket/prefix')
    .option('--layer <name>', layerText)
    .option('--table <name>', "the table of the database; default: the layer's name")
    .option('--overwrite', 'replace what is there')
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill export ./features --layer pool5 --to parquet --out pool5.parquet\n  layermill export s3://bucket/features --layer fc7 --to lancedb --out s3://bucket/vectors',
    )
    .action(async (features: string, options: ExportCommandOptions) => {
      result.exitCode = await (await import('./commands/export.js')).exportCommand(output, features, options)
    })
}

/** The commands that read what extract wrote. */
export function addFeatures(program: Command, output: Output, result: Result): void {
  addSimilar(program, output, result)
  addExport(program, output, result)
}
