import { setTimeout as pause } from 'node:timers/promises'
import {
  parseScheduleChange,
  parseScheduleSpec,
  type RunSpec,
  type ScheduleDetail,
  type ScheduleService,
  type Tick,
} from '@layermill/contracts'
import { absolutePlace, LayermillError } from '@layermill/core'
import { findSchedules, StoredSchedules } from '@layermill/orchestrator/schedules'
import { openStore } from '@layermill/storage'
import { HttpSchedules } from '../../client/http-schedules.js'
import { ServerConnection } from '../../client/server-connection.js'
import { readToken } from '../../client/token.js'
import { readSpecFile } from '../../flags.js'
import { openFleetQueue } from '@layermill/inference'
import { formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { absolutePlaces } from '../../places.js'
import { oneOfFleet } from '../../run/submit.js'

export interface ScheduleOptions {
  queue?: string
  server?: string
  tokenFile?: string
  json?: boolean
}

export interface ScheduleFields extends ScheduleOptions {
  file?: string
  cron?: string
  tz?: string
  overlap?: string
  missed?: string
  unchanged?: string
  notify?: string
  drift?: string
}

/** How long `schedule run` waits to tell what became of it, in milliseconds. */
const runPatience = 30_000

async function withSchedules<Result>(
  output: Output,
  options: ScheduleOptions,
  action: (schedules: ScheduleService) => Promise<Result>,
): Promise<Result> {
  const { queue, server, tokenFile } = options
  if ((queue === undefined) === (server === undefined)) {
    throw oneOfFleet(queue)
  }
  if (server !== undefined) return action(new HttpSchedules(new ServerConnection(server, await readToken(tokenFile))))
  await using broker = await openFleetQueue(queue!, text => output.note(text))
  const store = await findSchedules(broker, async url => openStore(url))
  try {
    return await action(new StoredSchedules(broker, store))
  } finally {
    await store.store.close()
  }
}

/** `start=retrain reference=./held-out layer=pool5 level=0.01` as a condition, which is checked with the schedule. */
function driftFrom(text: string): Record<string, unknown> {
  const pairs = text
    .split(/\s+/)
    .filter(part => part !== '')
    .map(part => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const)
  const known = ['start', 'reference', 'layer', 'level']
  if (pairs.some(([name]) => !known.includes(name)))
    throw new LayermillError(
      'SPEC_INVALID',
      `--drift: got ${JSON.stringify(text)}, expected start=SCHEDULE reference=DEST layer=LAYER level=P`,
    )
  const { reference, level, ...given } = Object.fromEntries(pairs)
  return {
    ...given,
    ...(reference === undefined ? {} : { reference: absolutePlace(reference, process.cwd()) }),
    ...(level === undefined ? {} : { level: Number(level) }),
  }
}

/** The fields that flags and `-f` give; the file's fields are the run's spec. */
async function fieldsOf(options: ScheduleFields): Promise<Record<string, unknown>> {
  const { file, cron, tz, overlap, missed, unchanged, notify, drift } = options
  const fields: Record<string, unknown> = {
    cron,
    tz,
    overlap,
    missed,
    unchanged,
    notify: notify?.split(',').map(url => url.trim()),
    drift: drift === undefined ? undefined : driftFrom(drift),
    spec: file === undefined ? undefined : await readSpecFile(file),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

const placed = <Value extends { spec?: RunSpec }>(value: Value): Value =>
  value.spec === undefined ? value : { ...value, spec: absolutePlaces(value.spec, process.cwd()) }

/** A time of the schedule's zone, with its offset. */
function timeIn(zone: string, iso: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(new Date(iso))
}

function outcome(tick: Tick): string {
  const why = tick.reason ?? tick.error?.message
  const { p, started, error } = tick.drift ?? {}
  const drift = error ?? (p === undefined ? undefined : `drift p ${p.toPrecision(2)}${started === undefined ? '' : `, started ${started}`}`)
  return [
    tick.state,
    ...(why === undefined ? [] : [`(${why})`]),
    ...(tick.run === undefined ? [] : [tick.run]),
    ...(drift === undefined ? [] : [drift]),
  ].join(' ')
}

function describe(schedule: ScheduleDetail): string {
  const { name, kind, model, source, out, cron, tz, paused, overlap, missed, unchanged, upcoming, history } = schedule
  const lines = [
    `${name}${paused ? ' (paused)' : ''}: ${kind} ${model} of ${source}${out === undefined ? '' : ` into ${out}`}`,
    `at ${cron} ${tz}; overlap ${overlap}, missed ${missed}, unchanged ${unchanged}`,
    `next: ${upcoming.map(time => timeIn(tz, time)).join(', ') || 'never'}${paused ? ' once resumed' : ''}`,
  ]
  const rows = history.map(tick => [timeIn(tz, tick.due), outcome(tick)])
  return [...lines, history.length === 0 ? 'no ticks yet' : formatTable(['due', 'what became of it'], rows)].join('\n')
}

async function show(
  output: Output,
  options: ScheduleOptions,
  what: (schedules: ScheduleService) => Promise<ScheduleDetail>,
  said: (schedule: ScheduleDetail) => string,
): Promise<void> {
  await withSchedules(output, options, async schedules => {
    const schedule = await what(schedules)
    if (options.json === true) output.json(schedule)
    else output.line(said(schedule))
  })
}

const nextOf = ({ tz, next }: ScheduleDetail): string => (next === undefined ? '' : `; next ${timeIn(tz, next)} ${tz}`)

/** `layermill schedule add NAME`. */
export async function addSchedule(output: Output, name: string, options: ScheduleFields): Promise<void> {
  const spec = placed(parseScheduleSpec({ ...(await fieldsOf(options)), name }))
  await show(
    output,
    options,
    schedules => schedules.add(spec),
    schedule => `${name} added${nextOf(schedule)}`,
  )
}

/** `layermill schedule edit NAME`: changes what flags give, in place. */
export async function editSchedule(output: Output, name: string, options: ScheduleFields): Promise<void> {
  const change = placed(parseScheduleChange(await fieldsOf(options)))
  if (Object.keys(change).length === 0)
    throw new LayermillError(
      'SPEC_INVALID',
      'schedule edit: expected something to change: --cron, --tz, --overlap, --missed, --unchanged, --notify, --drift or -f',
    )
  await show(
    output,
    options,
    schedules => schedules.change(name, change),
    schedule => `${name} changed${nextOf(schedule)}`,
  )
}

/** `layermill schedule list`. */
export async function listSchedules(output: Output, options: ScheduleOptions): Promise<void> {
  await withSchedules(output, options, async schedules => {
    const all = await schedules.list()
    if (options.json === true) {
      for (const schedule of all) output.json(schedule)
      return
    }
    const rows = all.map(({ name, kind, cron, tz, next, last }) => [
      name,
      kind,
      `${cron} ${tz}`,
      next === undefined ? 'paused' : timeIn(tz, next),
      last === undefined ? '' : outcome(last),
    ])
    output.line(all.length === 0 ? 'no schedules' : formatTable(['schedule', 'kind', 'at', 'next', 'last'], rows))
  })
}

/** `layermill schedule show NAME`: with the next times and what became of the last. */
export async function showSchedule(output: Output, name: string, options: ScheduleOptions): Promise<void> {
  await show(output, options, schedules => schedules.get(name), describe)
}

/** `layermill schedule pause NAME`. */
export async function pauseSchedule(output: Output, name: string, options: ScheduleOptions): Promise<void> {
  await show(
    output,
    options,
    schedules => schedules.pause(name),
    () => `${name} is paused`,
  )
}

/** `layermill schedule resume NAME`. */
export async function resumeSchedule(output: Output, name: string, options: ScheduleOptions): Promise<void> {
  await show(
    output,
    options,
    schedules => schedules.resume(name),
    schedule => `${name} goes on${nextOf(schedule)}`,
  )
}

/** `layermill schedule remove NAME`. */
export async function removeSchedule(output: Output, name: string, options: ScheduleOptions): Promise<void> {
  await withSchedules(output, options, schedules => schedules.remove(name))
  if (options.json === true) output.json({ event: 'removed', name })
  else output.line(`${name} removed; its runs stay`)
}

/** `layermill schedule run NAME`: now, and tells what became of it. */
export async function runSchedule(output: Output, name: string, options: ScheduleOptions): Promise<void> {
  await withSchedules(output, options, async schedules => {
    const asked = await schedules.run(name)
    output.note(`tick ${asked.tick}: waiting for an orchestrator`)
    const deadline = performance.now() + runPatience
    let tick: Tick | undefined
    while (performance.now() < deadline && (tick === undefined || tick.state === 'starting')) {
      await pause(300)
      tick = (await schedules.get(name)).history.find(({ id }) => id === asked.tick)
    }
    if (options.json === true) output.json({ ...asked, ...tick })
    else
      output.line(
        tick === undefined ? `${name}: nobody has taken it up yet; see layermill schedule show ${name}` : `${name}: ${outcome(tick)}`,
      )
  })
}
