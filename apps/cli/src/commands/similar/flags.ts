import type { CommandDefinition, Flag } from '../../command/command.js'
import { featuresFlag, jsonFlag } from '../../command/shared-flags.js'
import type { SimilarOptions } from './similar-options.js'

const own: readonly Flag[] = [
  featuresFlag,
  { flag: '--layer <name>', group: 'input', text: 'layer to compare', otherwise: 'the only one of the run', complete: 'layer' },
  {
    flag: '--key <key>',
    group: 'input',
    text: 'key of an image of the extraction, whose stored features are taken, in place of an image',
    otherwise: 'none',
  },
  { flag: '--top <number>', group: 'output', text: 'images to give', value: '10' },
  {
    flag: '--metric <name>',
    group: 'running',
    text: 'distance: cosine is one minus the cosine, l2 the Euclidean distance',
    choices: ['cosine', 'l2'],
    value: 'cosine',
  },
  {
    flag: '--out <file>',
    group: 'output',
    text: 'file to write them to, .csv or .jsonl, also s3://bucket/key',
    otherwise: 'standard output',
    complete: 'file',
  },
  {
    flag: '--report <file>',
    group: 'output',
    text: 'HTML file with the picture and those that were found, also s3://bucket/key',
    otherwise: 'none',
    complete: 'file',
  },
  {
    flag: '--model <name>',
    group: 'network',
    text: "place where the run's fine-tuned model is now",
    otherwise: 'where it was',
    complete: 'model',
  },
  {
    flag: '--weights <source>',
    group: 'network',
    text: "place where the run's weights are now",
    otherwise: 'where they were',
    complete: 'weights',
  },
  jsonFlag,
]

export const similar: CommandDefinition = {
  name: 'similar',
  group: 'Features',
  text: 'find the images of an extraction whose features are nearest to those of an image; every one is compared',
  arguments: [{ name: '[image]', text: 'an image: a file, or s3://bucket/key', complete: 'file' }],
  flags: async () => [
    ...own,
    ...(await import('../../command/spec-flags.js')).someSpecFlags('extract', ['device', 'engine', 'requestPayer', 'noSignRequest']),
  ],
  examples: [
    'similar cat.jpg --features ./features --layer pool5',
    'similar cat.jpg --features ./features --layer pool5 --top 40 --report nearest.html',
    'similar --key pets/cat-001.jpg --features s3://bucket/features --layer fc7 --metric l2 --top 100 --out nearest.csv',
  ],
  action: async (output, options: SimilarOptions, image: string | undefined) =>
    (await import('./action.js')).similarCommand(output, image, options),
}
