import type { CommandDefinition } from '../../command/command.js'
import { jsonFlag } from '../../command/shared-flags.js'
import type { ExportCommandOptions } from './action.js'

export const exportFeatures: CommandDefinition = {
  name: 'export',
  group: 'Features',
  text: 'write the features of a layer as one table, for a vector store or other programs',
  arguments: [{ name: '<features>', text: 'results of extract: a folder or s3://bucket/prefix', complete: 'folder' }],
  flags: [
    {
      flag: '--to <format>',
      group: 'output',
      text: 'format; the client of lancedb is installed by: npm install @lancedb/lancedb@0.30.0 apache-arrow@18.1.0',
      choices: ['parquet', 'csv', 'lancedb'],
      required: true,
    },
    {
      flag: '--out <dest>',
      group: 'output',
      text: '.parquet or .csv file, or folder of a LanceDB database; also s3://bucket/prefix',
      required: true,
      complete: 'folder',
    },
    { flag: '--layer <name>', group: 'input', text: 'layer to export', otherwise: 'the only one of the run', complete: 'layer' },
    { flag: '--table <name>', group: 'output', text: 'table of the database', otherwise: "the layer's name" },
    { flag: '--overwrite', group: 'output', text: 'replace an earlier export at the destination' },
    jsonFlag,
  ],
  examples: [
    'export ./features --layer pool5 --to parquet --out pool5.parquet',
    'export s3://bucket/features --layer fc7 --to lancedb --out s3://bucket/vectors',
  ],
  action: async (output, options: ExportCommandOptions, features: string) =>
    (await import('./action.js')).exportCommand(output, features, options),
}
