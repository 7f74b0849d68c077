import type { Argument, CommandDefinition, Flag } from '../../command/command.js'
import { jsonFlag, serverFlag, tokenFileFlag } from '../../command/shared-flags.js'
import type { ScheduleFields, ScheduleOptions } from './action.js'

const load = async () => import('./action.js')

const reach: readonly Flag[] = [
  {
    flag: '--queue <url>',
    group: 'fleet',
    text: 'queue of the fleet: redis://host:6379, rediss:// or postgres://',
    otherwise: 'none, then --server is needed',
  },
  serverFlag,
  tokenFileFlag,
  jsonFlag,
]

const fields: readonly Flag[] = [
  ...reach,
  {
    flag: '--cron <text>',
    group: 'running',
    text: "times: minute hour day month weekday, as '0 3 * * *'; with six fields the first is seconds",
    needed: 'by add',
  },
  { flag: '--tz <zone>', group: 'running', text: 'time zone of --cron, as Europe/Berlin', otherwise: 'UTC' },
  {
    flag: '-f, --file <spec>',
    group: 'input',
    text: "YAML or JSON file with the run's spec; out may contain {date}, {time} and {run}",
    needed: 'by add',
    complete: 'file',
  },
  {
    flag: '--overlap <what>',
    group: 'running',
    text: 'tick that comes while the run before is under way: skip it, or queue one',
    choices: ['skip', 'queue'],
    otherwise: 'skip',
  },
  {
    flag: '--missed <what>',
    group: 'running',
    text: 'ticks that nobody was there for: run one instead, or skip them',
    choices: ['run', 'skip'],
    otherwise: 'run',
  },
  {
    flag: '--unchanged <what>',
    group: 'running',
    text: 'tick that finds the images of the last good run: skip it, or run',
    choices: ['skip', 'run'],
    otherwise: 'skip',
  },
  {
    flag: '--drift <text>',
    group: 'running',
    text: 'schedule that is started where features of a good run drift, as "start=retrain reference=./features-held-out layer=pool5 level=0.01"',
    otherwise: 'none',
  },
  { flag: '--notify <urls>', group: 'fleet', text: 'webhooks to tell of its runs, several with commas', otherwise: 'none' },
]

const nameArgument: Argument = { name: '<name>', text: 'a schedule', complete: 'schedule' }

const one = {
  show: ['show its next times and what became of the last ones', 'showSchedule'],
  pause: ['stop its ticks until it is resumed', 'pauseSchedule'],
  resume: ['go on; what came due meanwhile is not made up for', 'resumeSchedule'],
  run: ['run it now, also where nothing changed', 'runSchedule'],
  remove: ['end its ticks; its runs stay', 'removeSchedule'],
} as const

export const schedule: CommandDefinition = {
  name: 'schedule',
  group: 'Fleet',
  text: 'start runs at their times, carried out by layermill serve',
  examples: [
    "schedule add nightly --cron '0 3 * * *' --tz Europe/Berlin -f retrain.yaml --queue redis://localhost:6379",
    'schedule show nightly --server https://layermill.example',
  ],
  commands: [
    {
      name: 'add',
      text: 'run a spec at its times',
      arguments: [{ name: '<name>', text: 'lower-case letters, digits and dashes' }],
      flags: fields,
      examples: [
        "schedule add nightly --cron '0 3 * * *' --tz Europe/Berlin -f retrain.yaml --overlap queue --queue redis://localhost:6379",
      ],
      action: async (output, options: ScheduleFields, name: string) => (await load()).addSchedule(output, name, options),
    },
    {
      name: 'edit',
      text: 'change times, spec or policies in place; the history stays',
      arguments: [nameArgument],
      flags: fields,
      examples: ["schedule edit nightly --cron '30 4 * * *' --queue redis://localhost:6379"],
      action: async (output, options: ScheduleFields, name: string) => (await load()).editSchedule(output, name, options),
    },
    {
      name: 'list',
      text: 'list all schedules with their next time',
      flags: reach,
      examples: ['schedule list --queue redis://localhost:6379'],
      action: async (output, options: ScheduleOptions) => (await load()).listSchedules(output, options),
    },
    ...Object.entries(one).map(([verb, [text, action]]): CommandDefinition => ({
      name: verb,
      text,
      arguments: [nameArgument],
      flags: reach,
      examples: [`schedule ${verb} nightly --queue redis://localhost:6379`],
      action: async (output, options: ScheduleOptions, name: string) => (await load())[action](output, name, options),
    })),
  ],
}
