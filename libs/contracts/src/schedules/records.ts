import { parseJsonRecord } from '../records/json-record.js'
import { ScheduleSpec } from './schedule.js'
import * as z from 'zod'

const time = z.string().describe('ISO 8601, UTC.')

export const tickStates = ['starting', 'queued', 'running', 'done', 'failed', 'cancelled', 'skipped', 'lost'] as const
export const skipReasons = ['unchanged', 'overlap', 'missed'] as const

/** Outcome of one tick of a schedule. */
export const Tick = z.object({
  id: z.string(),
  due: time,
  at: time.describe('When it was taken up.'),
  manual: z.boolean().optional().describe('Somebody asked for it.'),
  state: z
    .enum(tickStates)
    .describe(
      'starting, queued (behind the run before it), running, done, failed, cancelled, skipped, or lost (nobody knows of its run any more).',
    ),
  reason: z
    .enum(skipReasons)
    .optional()
    .describe(
      'Why it was skipped: the images are those of the last good run, the run before it was under way, or nobody was there in time.',
    ),
  run: z.string().optional(),
  out: z.string().optional(),
  finished: time.optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  drift: z
    .object({ p: z.number().optional(), started: z.string().optional(), error: z.string().optional() })
    .optional()
    .describe('Outcome of the test for drift, and the schedule that was started.'),
  fingerprint: z.string().optional().describe('Hash of the spec and of what the listing of its images said.'),
})
export type Tick = z.output<typeof Tick>

/** A schedule as it is stored. */
export const ScheduleRecord = z.object({
  version: z.literal(1),
  schedule: ScheduleSpec,
  paused: z.boolean(),
  created: time,
  changed: time,
  /** Ticks before this count for nothing: it was made, resumed or given another time then. */
  since: time,
})
export type ScheduleRecord = z.output<typeof ScheduleRecord>

/** Outcomes of a schedule's ticks, newest first, and the last good run with its fingerprint. */
export const ScheduleHistory = z.object({
  version: z.literal(1),
  ticks: z.array(Tick),
  lastGood: z.object({ fingerprint: z.string(), run: z.string() }).optional(),
})
export type ScheduleHistory = z.output<typeof ScheduleHistory>

/** Ticks that are remembered. */
export const historyLength = 50

/** Whether a tick's run may be under way. */
export const isOpen = ({ state }: Tick): boolean => state === 'starting' || state === 'running'

/** The history with a tick added, or put in the place of the one of its id. */
export function withTick(history: ScheduleHistory, tick: Tick): ScheduleHistory {
  const known = history.ticks.some(({ id }) => id === tick.id)
  const ticks = known ? history.ticks.map(old => (old.id === tick.id ? tick : old)) : [tick, ...history.ticks]
  // Ticks that have not ended are kept however old they are.
  return { ...history, ticks: ticks.filter((old, i) => i < historyLength || isOpen(old) || old.state === 'queued') }
}

/** @throws LayermillError `SCHEDULE_RECORD_INVALID` naming the file and the field. */
export function parseStored<Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array, where: string): z.output<Schema> {
  return parseJsonRecord(schema, bytes, { code: 'SCHEDULE_RECORD_INVALID', where })
}
