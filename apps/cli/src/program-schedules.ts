import type { Command } from 'commander'
import type { ScheduleFields, ScheduleOptions } from './commands/schedule.js'
import type { Output } from './output/output.js'

const load = (): Promise<typeof import('./commands/schedule.js')> => import('./commands/schedule.js')

function reach(command: Command): Command {
  return command
    .option('--queue <url>', 'queue of the fleet: redis://host:6379, rediss:// or postgres://')
    .option('--server <url>', 'a layermill serve; the token comes from LAYERMILL_TOKEN or --token-file')
    .option('--token-file <file>', 'file with the token of --server')
    .option('--json', 'machine-readable lines')
}

function fields(command: Command): Command {
  return reach(command)
    .option('--cron <text>', "when: minute hour day month weekday, as '0 3 * * *'; with six fields the first is seconds")
    .option('--tz <zone>', 'time zone of --cron, as Europe/Berlin; default UTC')
    .option('-f, --file <spec>', "YAML or JSON file with the run's spec; out may contain {date}, {time} and {run}")
    .option('--overlap <what>', 'while the run before is under way: skip (default), or queue one')
    .option('--missed <what>', 'ticks that nobody was there for: run one instead (default), or skip')
    .option('--unchanged <what>', 'where the images are those of the last good run: skip (default), or run')
    .option('--notify <urls>', 'webhooks to tell of its runs, several with commas')
}

/** Adds `layermill schedule`. */
export function addSchedules(program: Command, output: Output): void {
  const schedule = program
    .command('schedule')
    .description('runs at their times, carried out by layermill serve')
    .addHelpText(
      'after',
      "\nExamples:\n  layermill schedule add nightly --cron '0 3 * * *' --tz Europe/Berlin -f retrain.yaml --queue redis://localhost:6379\n  layermill schedule show nightly --server https://layermill.example",
    )
  fields(schedule.command('add').argument('<name>', 'lower-case letters, digits and dashes').description('run a spec at its times'))
    .addHelpText(
      'after',
      "\nExample:\n  layermill schedule add nightly --cron '0 3 * * *' --tz Europe/Berlin -f retrain.yaml --overlap queue --queue redis://localhost:6379",
    )
    .action(async (name: string, options: ScheduleFields) => (await load()).addSchedule(output, name, options))
  fields(schedule.command('edit').argument('<name>').description('change times, spec or policies in place; the history stays'))
    .addHelpText('after', "\nExample:\n  layermill schedule edit nightly --cron '30 4 * * *' --queue redis://localhost:6379")
    .action(async (name: string, options: ScheduleFields) => (await load()).editSchedule(output, name, options))
  reach(schedule.command('list').description('all schedules with their next time'))
    .addHelpText('after', '\nExample:\n  layermill schedule list --queue redis://localhost:6379')
    .action(async (options: ScheduleOptions) => (await load()).listSchedules(output, options))
  const one = {
    show: ['its next times and what became of the last ones', 'showSchedule'],
    pause: ['no more ticks until it is resumed', 'pauseSchedule'],
    resume: ['go on; what came due meanwhile is not made up for', 'resumeSchedule'],
    run: ['run it now, also where nothing changed', 'runSchedule'],
    remove: ['no more ticks; its runs stay', 'removeSchedule'],
  } as const
  for (const [verb, [description, action]] of Object.entries(one)) {
    reach(schedule.command(verb).argument('<name>').description(description))
      .addHelpText('after', `\nExample:\n  layermill schedule ${verb} nightly --queue redis://localhost:6379`)
      .action(async (name: string, options: ScheduleOptions) => (await load())[action](output, name, options))
  }
}
