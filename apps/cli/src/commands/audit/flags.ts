import { auditDefaults } from '../../audit/defaults.js'
import type { CommandDefinition } from '../../command/command.js'
import { featuresFlag, jsonFlag, layerToLookAtFlag, relabelledArgument, serverFlag, tokenFileFlag } from '../../command/shared-flags.js'
import type { AuditCommandOptions } from './action.js'

export const audit: CommandDefinition = {
  name: 'audit',
  group: 'Features',
  text: 'find duplicates, suspect labels, outliers, poor pictures and drift among images, by stored features',
  arguments: [relabelledArgument],
  flags: [
    featuresFlag,
    layerToLookAtFlag,
    {
      flag: '--reference <dest>',
      group: 'input',
      text: 'run that drift is told against: the same layer of held-out images of the past',
      otherwise: 'none',
      complete: 'folder',
    },
    {
      flag: '--held-out <dest>',
      group: 'input',
      text: 'run of held-out images, the same layer: images that are there too are named as leaks',
      otherwise: 'none',
      complete: 'folder',
    },
    {
      flag: '--label-score <name>',
      group: 'running',
      text: 'score of labels: probability of the label, or that less the largest other',
      choices: ['self-confidence', 'margin'],
      value: auditDefaults.labelScore,
    },
    {
      flag: '--neighbours <how>',
      group: 'running',
      text: 'nearest images: exact, by an index (needs the package usearch; the recall is measured), or auto: exact up to 100,000 images',
      choices: ['auto', 'exact', 'index'],
      value: auditDefaults.neighbours,
    },
    { flag: '--labels <number>', group: 'output', text: 'suspect labels to name, the worst ones', otherwise: '5% of the images' },
    { flag: '--outliers <number>', group: 'output', text: 'outliers to name, the farthest ones', otherwise: '1% of the images' },
    {
      flag: '--verdicts <file>',
      group: 'input',
      text: 'audit.csv or .parquet of an earlier audit whose column verdict says confirmed or dismissed; what was dismissed is not named again',
      otherwise: 'audit/audit.csv of the features, where it is',
      complete: 'file',
    },
    {
      flag: '--skip-pictures',
      group: 'running',
      text: 'does not read the pictures: nothing is said of dark and blurred ones, and the report has none',
    },
    {
      flag: '--update',
      group: 'running',
      text: 'goes on from the last audit in --out, by its folder kept: new images alone are compared with all and read',
    },
    {
      flag: '--permutations <number>',
      group: 'running',
      text: 'random orders for the p-value of drift',
      value: auditDefaults.permutations,
    },
    { flag: '--seed <text>', group: 'running', text: 'seed of folds and random orders', value: auditDefaults.seed },
    {
      flag: '--out <dest>',
      group: 'output',
      text: 'folder or s3://bucket/prefix for audit.csv and report.html, or a .csv or .parquet file for the findings alone',
      otherwise: 'none',
      complete: 'folder',
    },
    { ...serverFlag, text: 'layermill serve that audits its run --features, an id; the results are in the folder audit of that run' },
    tokenFileFlag,
    jsonFlag,
  ],
  examples: [
    'audit --features ./features --layer pool5 --out ./audit',
    'audit ./photos --features ./features --label-score margin --labels 500',
    'audit --features ./features-train --held-out ./features-held-out --layer pool5 --out ./audit',
    'audit --features ./features --layer pool5 --out ./audit --update',
    'audit --features extract-20260102-0a1b2c3d --layer pool5 --server https://layermill.example',
    'audit --features ./features-june --reference ./features-held-out --layer pool5 --json',
  ],
  action: async (output, options: AuditCommandOptions, source: string | undefined) =>
    (await import('./action.js')).auditCommand(output, source, options),
}
