import type { CommandDefinition } from '../../command/command.js'
import { compareDefaults } from '../../compare/defaults.js'
import { jsonFlag, queueText, serverFlag, tokenFileFlag } from '../../command/shared-flags.js'
import type { CompareCommandOptions } from './settings.js'

export const compare: CommandDefinition = {
  name: 'compare',
  group: 'Features',
  text: 'compare feature sets: layers of a run, runs, or tables of other programs, all pairs of them',
  arguments: [
    {
      name: '<sets...>',
      text: 'results of extract (a folder or s3://bucket/prefix; each layer is a set), or .npy, .npz or .parquet files; rows are matched by key, without keys by their order',
      complete: 'folder',
    },
  ],
  flags: [
    { flag: '--layers <a,b>', group: 'input', text: 'layers of runs; * stands for any characters', otherwise: 'all', complete: 'layers' },
    {
      flag: '--measures <a,b>',
      group: 'running',
      text: 'measures to compute',
      choices: ['cka', 'rsa', 'rbf', 'svcca', 'cca', 'procrustes'],
      several: true,
      otherwise: 'all up to 500 rows, cka and rsa beyond',
    },
    {
      flag: '--rdm <kind>',
      group: 'running',
      text: 'dissimilarity of two rows for RSA: pearson and cosine are one minus these',
      choices: ['pearson', 'cosine', 'euclidean', 'sqeuclidean'],
      value: compareDefaults.rdm,
    },
    { flag: '--minibatch <rows>', group: 'running', text: 'rows of a batch for debiased CKA by consecutive batches', otherwise: 'none' },
    {
      flag: '--partial <set>',
      group: 'running',
      text: 'set whose dissimilarities are held constant: partial correlations of the others too',
      otherwise: 'none',
    },
    {
      flag: '--targets <file>',
      group: 'input',
      text: 'matrix to predict from each set, as recordings: .npy, .npz or .parquet, rows matched as those of sets; ridge regression',
      otherwise: 'none',
      complete: 'folder',
    },
    { flag: '--folds <number>', group: 'running', text: 'parts of the rows, each predicted from the others', value: compareDefaults.folds },
    {
      flag: '--penalties <a,b>',
      group: 'running',
      text: 'penalties of ridge regression, of which each fold takes the best',
      otherwise: '1e-6 to 1 of the sum of squares',
    },
    { flag: '--permutations <number>', group: 'running', text: 'random orders for p-values of RSA', value: compareDefaults.permutations },
    { flag: '--bootstrap <number>', group: 'running', text: 'samples of rows for intervals of RSA', value: compareDefaults.bootstrap },
    { flag: '--seed <text>', group: 'running', text: 'seed of random orders and samples', value: compareDefaults.seed },
    {
      flag: '--memory <bytes>',
      group: 'running',
      text: 'memory for matrices, as 512MB',
      otherwise: '12MB and 6MB for each layer, up to 240MB',
    },
    {
      flag: '--out <dest>',
      group: 'output',
      text: 'folder or s3://bucket/prefix for compare.json, a CSV matrix of each measure, report.html and the dissimilarities',
      otherwise: 'none',
      complete: 'folder',
    },
    {
      flag: '--write-rdm <form>',
      group: 'output',
      text: 'dissimilarities to write as .npy: the upper triangle, or the whole matrix',
      choices: ['condensed', 'square'],
      otherwise: 'none',
    },
    {
      flag: '--queue <url>',
      group: 'fleet',
      text: `${queueText}; its servers share the blocks of pairs with this command, from six sets on`,
      otherwise: '$LAYERMILL_QUEUE where there is --out; where that is not set either, or it is embedded, all is compared in this process',
    },
    { ...serverFlag, text: 'layermill serve that compares its own runs, by their ids; the results are in the folder compare of the first' },
    tokenFileFlag,
    jsonFlag,
  ],
  examples: [
    'compare ./features --out ./comparison',
    'compare ./features-before ./features-after --layers "res*,pool5" --json',
    'compare s3://bucket/before s3://bucket/after --out s3://bucket/comparison --queue redis://localhost:6379',
    'compare layer3.npy brain.npz --rdm euclidean --permutations 1000 --bootstrap 1000',
  ],
  action: async (output, options: CompareCommandOptions, sets: string[]) =>
    (await import('./action.js')).compareCommand(output, sets, options),
}
