import type { Argument, Flag } from './command.js'

/** Argument of commands that read images. */
export const imagesArgument: Argument = {
  name: '[source]',
  text: 'images: a folder, glob, list file, tar or parquet files (train-{000..099}.tar, data/*.parquet), one image, or the same in s3://bucket/prefix',
  complete: 'file',
}

const labelledText =
  'images with labels: one folder for each class, a .csv or .jsonl list, tar or parquet files (train-{000..099}.tar, data/*.parquet), or the same in s3://bucket/prefix'

/** Argument of commands that read images with labels. */
export const labelledArgument: Argument = { name: '[source]', text: labelledText, complete: 'file' }

/** The same where it cannot come from a file. */
export const requiredLabelledArgument: Argument = { ...labelledArgument, name: '<source>' }

/** Argument of commands that look at stored features, whose labels may come from elsewhere. */
export const relabelledArgument: Argument = {
  name: '[source]',
  text: 'the same images with other labels: a folder of classes, a list file and so on',
  complete: 'file',
}

/** Stored features. */
export const featuresFlag: Flag = {
  flag: '--features <dest>',
  group: 'input',
  text: 'results of extract: a folder or s3://bucket/prefix',
  required: true,
  complete: 'folder',
}

/** Layer of stored features. */
export const layerToLookAtFlag: Flag = {
  flag: '--layer <name>',
  group: 'input',
  text: 'layer to look at',
  otherwise: 'the only one of the run',
  complete: 'layer',
}

/** Machine-readable results. */
export const jsonFlag: Flag = { flag: '--json', group: 'output', text: 'print JSON lines for programs in place of text' }

/** Words for the queue of a fleet. */
export const queueText = 'queue of the fleet: redis://host:6379, rediss:// or postgres://'

/** Queue of a process of the fleet. */
export const fleetQueueFlag: Flag = { flag: '--queue <url>', group: 'fleet', text: queueText, env: 'LAYERMILL_QUEUE', required: true }

export const serverFlag: Flag = {
  flag: '--server <url>',
  group: 'fleet',
  text: 'layermill serve to ask, as https://host:8080; the token comes from LAYERMILL_TOKEN or --token-file',
  otherwise: 'none',
}

export const tokenFileFlag: Flag = {
  flag: '--token-file <file>',
  group: 'fleet',
  text: 'file with the token of --server',
  otherwise: '$LAYERMILL_TOKEN',
  complete: 'file',
}

export const registryFlag: Flag = {
  flag: '--registry <dest>',
  group: 'network',
  text: 'registry of models: a folder or s3://bucket/prefix',
  otherwise: '$LAYERMILL_REGISTRY',
  complete: 'folder',
}

export const weightsStoreFlag: Flag = {
  flag: '--weights-store <url>',
  group: 'fleet',
  text: 'place where the fleet keeps weights, so that workers need not fetch them from the internet: a folder or s3://bucket/prefix',
  otherwise: 'none',
  complete: 'folder',
}

export const privateWeightsFlag: Flag = {
  flag: '--allow-private-weights',
  group: 'fleet',
  text: 'fetch weights also from URLs at private addresses that specs name',
}

export const lockFlag: Flag = {
  flag: '--lock-duration <seconds>',
  group: 'fleet',
  text: 'seconds after which another process takes over the work of one that is gone',
  otherwise: '60',
}

export const unfitFlag: Flag = {
  flag: '--unfit-deadline <seconds>',
  group: 'fleet',
  text: 'seconds for which no worker may be fit for a run (a mount, credentials, a version) before the run fails',
  otherwise: '30',
}

/** Device of a worker. */
export const deviceFlag: Flag = {
  flag: '--device <name>',
  group: 'running',
  text: 'device to compute on; cpu-portable is tfjs in JavaScript, slow',
  choices: ['auto', 'cpu', 'cuda', 'webgpu', 'cpu-portable'],
  value: 'auto',
}

/** Flags of commands that a queue or server carries out, where asked. */
export const fleetFlags: readonly Flag[] = [
  {
    flag: '--queue <url>',
    group: 'fleet',
    text: queueText,
    otherwise: '$LAYERMILL_QUEUE; where that is not set either, or it is embedded, everything runs in this process',
  },
  serverFlag,
  tokenFileFlag,
  weightsStoreFlag,
  { ...privateWeightsFlag, text: `${privateWeightsFlag.text} (with --queue)` },
  registryFlag,
  { ...lockFlag, hidden: true },
  { ...unfitFlag, hidden: true },
]

/** Flags of commands about a fleet: the queue or server to ask. */
export const reachFlags: readonly Flag[] = [
  { flag: '--queue <url>', group: 'fleet', text: queueText, otherwise: '$LAYERMILL_QUEUE' },
  serverFlag,
  tokenFileFlag,
  jsonFlag,
]
