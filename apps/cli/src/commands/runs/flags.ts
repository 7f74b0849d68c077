import type { Argument, CommandDefinition } from '../../command/command.js'
import { privateWeightsFlag, reachFlags, weightsStoreFlag } from '../../command/shared-flags.js'
import type { ListOptions, RunsOptions } from './action.js'

const load = async () => import('./action.js')

const runArgument: Argument = { name: '<run>', text: 'its id', complete: 'run' }

const list: CommandDefinition = {
  name: 'list',
  text: 'list the runs that the queue knows, newest first',
  flags: [
    ...reachFlags,
    {
      flag: '--state <state>',
      group: 'output',
      text: 'state of the runs to list',
      choices: ['planning', 'running', 'done', 'failed', 'cancelled'],
      otherwise: 'all',
    },
    {
      flag: '--kind <kind>',
      group: 'output',
      text: 'kind of the runs to list',
      choices: ['extract', 'predict', 'finetune'],
      otherwise: 'all',
    },
    { flag: '--limit <number>', group: 'output', text: 'most runs to list', value: '50' },
  ],
  examples: ['runs list --queue redis://localhost:6379 --state failed'],
  action: async (output, options: ListOptions) => (await load()).listRuns(output, options),
}

const resume: CommandDefinition = {
  name: 'resume',
  text: 'go on with a run that is paused, failed, was cancelled, or was forgotten by a wiped queue',
  arguments: [{ name: '<run|out>', text: 'its id, or where its results are (then --queue)', complete: 'run' }],
  flags: [
    ...reachFlags,
    { flag: '--detach', group: 'running', text: 'queue it only: an orchestrator (layermill serve) carries it out' },
    weightsStoreFlag,
    { ...privateWeightsFlag, text: `${privateWeightsFlag.text} (with --queue)` },
  ],
  examples: [
    'runs resume extract-20260102-0a1b2c3d --server https://layermill.example',
    'runs resume s3://bucket/features --queue redis://localhost:6379',
  ],
  action: async (output, options: RunsOptions & { detach?: boolean }, target: string) => (await load()).resumeRun(output, target, options),
}

export const runs: CommandDefinition = {
  name: 'runs',
  group: 'Fleet',
  text: 'list, show, watch, pause, cancel and resume the runs of a fleet',
  examples: [
    'runs list --queue redis://localhost:6379 --state running',
    'runs watch extract-20260102-0a1b2c3d --server https://layermill.example',
    'runs resume s3://bucket/features --queue redis://localhost:6379',
  ],
  commands: [
    list,
    {
      name: 'show',
      text: 'show a run with its layers, counts and, if it failed, why',
      arguments: [runArgument],
      flags: reachFlags,
      examples: ['runs show extract-20260102-0a1b2c3d --queue redis://localhost:6379 --json'],
      action: async (output, options: RunsOptions, id: string) => (await load()).showRun(output, id, options),
    },
    {
      name: 'watch',
      text: 'show live progress, from any machine; Ctrl-C ends the watching only',
      arguments: [runArgument],
      flags: reachFlags,
      examples: ['runs watch extract-20260102-0a1b2c3d --server https://layermill.example --token-file ~/.layermill-token'],
      action: async (output, options: RunsOptions, id: string) => (await load()).watchRun(output, id, options),
    },
    {
      name: 'cancel',
      text: 'end a run; parts that are committed stay, and it can be resumed',
      arguments: [runArgument],
      flags: reachFlags,
      examples: ['runs cancel extract-20260102-0a1b2c3d --queue redis://localhost:6379'],
      action: async (output, options: RunsOptions, id: string) => (await load()).cancelRun(output, id, options),
    },
    {
      name: 'pause',
      text: 'let go of a run until it is resumed; parts under way are finished',
      arguments: [runArgument],
      flags: reachFlags,
      examples: ['runs pause extract-20260102-0a1b2c3d --queue redis://localhost:6379'],
      action: async (output, options: RunsOptions, id: string) => (await load()).pauseRun(output, id, options),
    },
    resume,
  ],
}
