import type { CommandDefinition, Flag } from '../../command/command.js'
import { fleetFlags, jsonFlag, labelledArgument } from '../../command/shared-flags.js'
import type { EvaluateOptions } from './action.js'

const own: readonly Flag[] = [
  {
    flag: '--out <dest>',
    group: 'output',
    text: 'folder or s3://bucket/prefix for report.html, evaluation.json and predictions.jsonl; a fleet (--queue, --server) needs it',
    otherwise: 'none, nothing is written',
    complete: 'folder',
  },
  {
    flag: '--label-columns <a,b>',
    group: 'input',
    text: 'columns of a list or Parquet file that labels are in',
    otherwise: 'label, class or cls',
  },
  {
    flag: '--min-accuracy <share>',
    group: 'output',
    text: 'accuracy (of several labels an image: share with all labels right) below which the command fails with exit code 1, as 0.9 or 90%',
    otherwise: 'none',
  },
  jsonFlag,
]

export const evaluate: CommandDefinition = {
  name: 'evaluate',
  group: 'Images',
  text: 'judge a model on labelled images: accuracy, every class, and the classes that are taken for others',
  arguments: [labelledArgument],
  flags: async () => [...(await import('../../command/spec-flags.js')).specFlags('predict', ['top', 'out', 'plan']), ...own, ...fleetFlags],
  examples: [
    'evaluate ./pets-test --model ./models/pets --out ./pets-report',
    'evaluate s3://bucket/test/ --model pets@latest --registry s3://bucket/models --min-accuracy 0.9 --json',
  ],
  action: async (output, options: EvaluateOptions, source: string | undefined) =>
    (await import('./action.js')).evaluateCommand(output, source, options),
}
