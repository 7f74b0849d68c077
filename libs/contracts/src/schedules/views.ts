import { nextTimes, ScheduleSpec } from './schedule.js'
import * as z from 'zod'
import { type ScheduleHistory, type ScheduleRecord, Tick } from './records.js'

const time = z.string().describe('ISO 8601, UTC.')

/** A schedule in lists. */
export const ScheduleSummary = z
  .object({
    name: z.string(),
    kind: z.enum(['extract', 'predict', 'finetune']),
    source: z.string(),
    model: z.string(),
    out: z.string().optional(),
    cron: z.string(),
    tz: z.string(),
    paused: z.boolean(),
    next: time.optional().describe('When it comes next; left out while it is paused.'),
    last: Tick.optional().describe('What became of its last tick.'),
  })
  .meta({ id: 'ScheduleSummary', description: 'A schedule in short.' })
export type ScheduleSummary = z.output<typeof ScheduleSummary>

/** A schedule with its spec, its next times and what became of its ticks. */
export const ScheduleDetail = z
  .object({
    ...ScheduleSummary.shape,
    overlap: ScheduleSpec.shape.overlap.unwrap(),
    missed: ScheduleSpec.shape.missed.unwrap(),
    unchanged: ScheduleSpec.shape.unchanged.unwrap(),
    notify: z.array(z.string()).optional(),
    drift: ScheduleSpec.shape.drift,
    spec: z.record(z.string(), z.unknown()).describe('The spec of its runs with defaults filled in.'),
    created: time,
    changed: time,
    upcoming: z.array(time).describe('The next five times, also of one that is paused.'),
    history: z.array(Tick).describe('The last 50 ticks, newest first.'),
  })
  .meta({ id: 'ScheduleDetail', description: 'A schedule with its next times and its history.' })
export type ScheduleDetail = z.output<typeof ScheduleDetail>

export const ScheduleList = z.object({ schedules: z.array(ScheduleSummary).describe('By name.') })
export const ScheduleTick = z
  .object({ schedule: z.string(), tick: z.string().describe("Its id in the schedule's history.") })
  .meta({ id: 'ScheduleTick' })
export type ScheduleTick = z.output<typeof ScheduleTick>

const shown = (tick: Tick | undefined): Tick | undefined => {
  if (tick === undefined) return undefined
  const { fingerprint: _fingerprint, ...rest } = tick
  return rest
}

/** A stored schedule in short, at a time. */
export function summarizeSchedule({ schedule, paused }: ScheduleRecord, history: ScheduleHistory, now: Date): ScheduleSummary {
  const { name, cron, tz, spec } = schedule
  const next = paused ? undefined : nextTimes(cron, tz, now, 1)[0]?.toISOString()
  return {
    name,
    kind: spec.kind,
    source: spec.source,
    model: spec.model,
    out: spec.out,
    cron,
    tz,
    paused,
    next,
    last: shown(history.ticks[0]),
  }
}

/** A stored schedule in full, at a time. */
export function describeSchedule(record: ScheduleRecord, history: ScheduleHistory, now: Date): ScheduleDetail {
  const { cron, tz, overlap, missed, unchanged, notify, drift, spec } = record.schedule
  return {
    ...summarizeSchedule(record, history, now),
    overlap,
    missed,
    unchanged,
    notify,
    ...(drift === undefined ? {} : { drift }),
    spec: { ...spec },
    created: record.created,
    changed: record.changed,
    upcoming: nextTimes(cron, tz, now, 5).map(date => date.toISOString()),
    history: history.ticks.map(tick => shown(tick)!),
  }
}
