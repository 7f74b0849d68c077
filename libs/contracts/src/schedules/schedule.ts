import { errorMessage, LayermillError } from '@layermill/core'
import * as z from 'zod'
import { nextTime, parseCron, previousTime } from './cron/cron-times.js'
import { occurrence } from './cron/zone-clock.js'
import { RunSpec } from '../specs/spec.js'
import { formatZodError } from '../specs/spec-error.js'
import { webhookUrls } from '../specs/webhook-url.js'

/**
 * The next times that a cron expression means, after `from`, earliest first; fewer than `count` where it has no more. See `nextTime` for
 * the rule.
 */
export function nextTimes(cron: string, tz: string, from: Date, count: number): Date[] {
  const times: Date[] = []
  for (let last = from.getTime(); times.length < count;) {
    const time = nextTime(cron, tz, last)
    if (time === undefined) break
    times.push(new Date(time))
    last = time
  }
  return times
}

/** The last time that a cron expression means at or before `until`, by the same rule; undefined where there is none. */
export function lastTime(cron: string, tz: string, until: Date): Date | undefined {
  const time = previousTime(cron, tz, until.getTime())
  return time === undefined ? undefined : new Date(time)
}

/** Fault of a cron expression, as words after "expected"; undefined where there is none. */
function cronFault(text: string): string | undefined {
  const fields = text.split(/\s+/)
  if (!text.startsWith('@') && fields.length !== 5 && fields.length !== 6) {
    return `5 fields (minute hour day month weekday), or 6 with seconds in front; these are ${fields.length}`
  }
  // `H` stands for a number that the parser would draw anew every time.
  if (/(?:^|[\s,/-])H/.test(text)) return 'no H in a cron expression'
  try {
    parseCron(text)
  } catch (error) {
    return `a cron expression, as 0 3 * * *: ${errorMessage(error).replace(/^Invalid cron expression,?\s*/i, '')}`
  }
  return nextTimes(text, 'UTC', new Date(), 1).length === 0 ? 'a cron expression that comes at some time' : undefined
}

/** Whether the name is one of the IANA time zones. */
function isTimeZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

export const ScheduleName = z
  .string({ error: 'a name' })
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name of lower-case letters, digits and dashes that begins with a letter, at most 63 characters')
  .describe('Name of the schedule: lower-case letters, digits and dashes.')

const cron = z
  .string({ error: 'a cron expression, as 0 3 * * *' })
  .trim()
  .max(200, 'a cron expression of at most 200 characters')
  .check(context => {
    const fault = cronFault(context.value)
    if (fault !== undefined) context.issues.push({ code: 'custom', input: context.value, message: fault })
  })
  .describe('When: minute hour day month weekday, as 0 3 * * *; with six fields the first is seconds.')

const tz = z
  .string({ error: 'a time zone, as Europe/Berlin' })
  .max(64, 'a time zone, as Europe/Berlin')
  .refine(isTimeZone, 'a time zone, as Europe/Berlin or UTC')
  .describe('Time zone of the cron expression.')

const overlap = z
  .enum(['skip', 'queue'], { error: 'skip or queue' })
  .describe('What a tick does while the run before it is under way: nothing (skip), or its own run afterwards (queue, one at most).')
const missed = z
  .enum(['run', 'skip'], { error: 'run or skip' })
  .describe('Ticks that nobody was there for: made up for by one run, or left out.')
const unchanged = z
  .enum(['skip', 'run'], { error: 'skip or run' })
  .describe('What a tick does where the images are those of the last good run.')
const notify = webhookUrls.describe("Webhooks to tell of the schedule's runs, besides the server's.")

/** A test of each good run of an extraction, and what it starts. */
const drift = z
  .strictObject({
    reference: z
      .string()
      .min(1)
      .max(2000)
      .describe('Features of the past, best of held-out images: the place of an extraction of the same layer.'),
    layer: z.string().min(1).max(200),
    level: z.number().min(0.005).max(0.5).default(0.01).describe('Below this p the images count as others.'),
    start: ScheduleName.describe('Schedule that is started then, as one that retrains.'),
  })
  .describe('After each good run its features are held against others; where they drift, another schedule is started.')
export type DriftCondition = z.output<typeof drift>

/** Placeholders that may stand in a schedule's `out`; each tick has its own value. */
export const outPlaceholders = ['{date}', '{time}', '{run}'] as const

const hasPlaceholder = (out: string): boolean => outPlaceholders.some(name => out.includes(name))

type Refuse = (field: string, got: unknown, expected: string) => void

/** Refuses the fields of a spec that cannot be repeated. */
function checkRepeated(spec: RunSpec, refuse: Refuse): void {
  if (spec.plan) refuse('plan', true, 'false: a schedule computes')
  if (spec.out === undefined) refuse('out', undefined, 'a place for the results')
  else {
    const unknown = /\{[^}]*\}?/.exec(spec.out.replaceAll(/\{(?:date|time|run)\}/g, ''))?.[0]
    if (unknown !== undefined) refuse('out', spec.out, `no other placeholders than ${outPlaceholders.join(', ')}`)
    if (spec.kind !== 'extract' && !spec.overwrite && !hasPlaceholder(spec.out)) {
      refuse(
        'out',
        spec.out,
        `a place of its own for each run, with {date} or {run} in it, or overwrite: ${spec.kind} starts anew each time`,
      )
    }
  }
  if (spec.kind !== 'finetune' && spec.retryFailed) refuse('retryFailed', true, 'false: a schedule looks at all images')
}

const spec = RunSpec.check(context => {
  checkRepeated(context.value, (field, got, expected) => {
    context.issues.push({ code: 'custom', path: [field], input: got, message: expected, continue: true })
  })
})

/** A schedule as it is written: what to run, when, and what to do where that is in question. */
export const ScheduleSpec = z.strictObject({
  name: ScheduleName,
  cron,
  tz: tz.default('UTC'),
  overlap: overlap.default('skip'),
  missed: missed.default('run'),
  unchanged: unchanged.default('skip'),
  notify: notify.optional(),
  drift: drift.optional(),
  spec,
})
export type ScheduleSpec = z.output<typeof ScheduleSpec>

/** A change of a schedule: the fields that it names. */
export const ScheduleChange = z.strictObject({
  cron: cron.optional(),
  tz: tz.optional(),
  overlap: overlap.optional(),
  missed: missed.optional(),
  unchanged: unchanged.optional(),
  notify: notify.optional(),
  drift: drift.optional(),
  spec: spec.optional(),
})
export type ScheduleChange = z.output<typeof ScheduleChange>

/** JSON Schema (draft 2020-12) of what may be written in a schedule besides its run's spec. */
export function scheduleJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(ScheduleSpec.omit({ spec: true }), { io: 'input' }) }
}

/**
 * Checks a schedule and fills in what was left out.
 * @throws LayermillError `SPEC_INVALID`, a line for each field.
 */
export function parseScheduleSpec(input: unknown): ScheduleSpec {
  const result = ScheduleSpec.safeParse(input)
  if (result.success) return result.data
  throw formatZodError(result.error, input, { fields: Object.keys(ScheduleSpec.shape) })
}

/** @throws LayermillError `SPEC_INVALID`, a line for each field. */
export function parseScheduleChange(input: unknown): ScheduleChange {
  const result = ScheduleChange.safeParse(input)
  if (result.success) return result.data
  throw formatZodError(result.error, input, { fields: Object.keys(ScheduleChange.shape) })
}

/** @throws LayermillError `SPEC_INVALID` where the drift of a schedule's runs cannot be told, or would start the schedule itself */
export function checkDrift({ name, drift: condition, spec: given }: Pick<ScheduleSpec, 'name' | 'drift' | 'spec'>): void {
  if (condition === undefined) return
  if (given.kind !== 'extract')
    throw new LayermillError('SPEC_INVALID', `drift: got it with ${given.kind}, expected extract: features are compared`)
  if (condition.start === name) throw new LayermillError('SPEC_INVALID', `drift.start: got ${name}, expected another schedule`)
}

/**
 * The spec of one tick: `{date}` (YYYY-MM-DD in the schedule's time zone), `{time}` (HHMMSS; HHMMSS-2 where the clock was put back and
 * shows it a second time) and `{run}` (the tick's own id) of `out` filled in.
 * Extraction into the same place every time is an update of what is there.
 */
export function specOfTick(
  { spec: given, tz: zone, notify: urls = [] }: Pick<ScheduleSpec, 'spec' | 'tz' | 'notify'>,
  tick: { readonly id: string; readonly due: Date },
): RunSpec {
  const told = [...new Set([...(given.notify ?? []), ...urls])]
  const spec: RunSpec = told.length === 0 ? given : { ...given, notify: told }
  if (spec.out === undefined) return spec
  const parts = new Map(
    new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    })
      .formatToParts(tick.due)
      .map(({ type, value }) => [type, value]),
  )
  const of = (...names: Intl.DateTimeFormatPartTypes[]): string[] => names.map(name => parts.get(name) ?? '')
  const again = occurrence(zone, tick.due.getTime()) === 2 ? '-2' : ''
  const out = spec.out
    .replaceAll('{date}', of('year', 'month', 'day').join('-'))
    .replaceAll('{time}', `${of('hour', 'minute', 'second').join('')}${again}`)
    .replaceAll('{run}', tick.id)
  const filled: RunSpec = { ...spec, out }
  return filled.kind === 'extract' && out === spec.out && !filled.overwrite ? { ...filled, update: true } : filled
}
