import { createRequire } from 'node:module'
import type * as CronParser from 'cron-parser'
import { type Transition, zoneClock, type ZoneClock } from './zone-clock.js'

const load = createRequire(import.meta.url)

/** Searches for the last time go back so far: nothing that comes at all comes more rarely than a 29 February of a weekday. */
const longestMs = 41 * 366 * 24 * 3_600_000

/**
 * A cron expression, by a parser that is loaded when the first is read: few commands do. It is only asked for times of UTC, which has no
 * gaps; what a zone's clock makes of them is decided here.
 */
export function parseCron(text: string, from: number = Date.now()): CronParser.CronExpression {
  return (load('cron-parser') as typeof CronParser).CronExpressionParser.parse(text, { tz: 'UTC', currentDate: new Date(from) })
}

/** Time on a clock, written as the UTC time with the same digits, in milliseconds. */
type WallTime = number

interface KnownExpression {
  readonly expression: CronParser.CronExpression
  /** Whether it comes in every hour of a day, however that is written. */
  readonly everyHour: boolean
}

const known = new Map<string, KnownExpression>()

/** An expression that was read before, since reading takes longer than all else. Its position is whoever's asked last. */
function knownExpression(cron: string): KnownExpression {
  let found = known.get(cron)
  if (found === undefined) {
    const expression = parseCron(cron)
    found = { expression, everyHour: expression.fields.hour.values.length === 24 }
    if (known.size > 1000) known.clear()
    known.set(cron, found)
  }
  return found
}

/** The first time on the wall at or after another one that an expression means. */
function firstWallTime(cron: string, from: WallTime): WallTime | undefined {
  try {
    const { expression } = knownExpression(cron)
    expression.reset(new Date(Math.ceil(from / 1000) * 1000 - 1000))
    return expression.next().getTime()
  } catch {
    // Out of times, as 29 February of past years is.
    return undefined
  }
}

/** Times after the start of a stretch with one offset that this stretch's own clock shows, at or after `from`. */
function regularTime(cron: string, change: Transition | undefined, offset: number, from: number): number | undefined {
  const repeated = change === undefined ? 0 : Math.max(0, change.before - change.after)
  // Times that the clock shows once more were there before the change: hours that are named come once.
  const start = change !== undefined && repeated > 0 && !knownExpression(cron).everyHour ? change.at + repeated : (change?.at ?? -Infinity)
  const wall = firstWallTime(cron, Math.max(from, start) + offset)
  return wall === undefined ? undefined : wall - offset
}

/** The first time at or after `from` that the clock has jumped over at a change, as much later as it jumped. */
function skippedTime(cron: string, { at, before, after }: Transition, from: number): number | undefined {
  if (after <= before) return undefined
  const wall = firstWallTime(cron, Math.max(from, at) + before)
  return wall === undefined || wall >= at + after ? undefined : wall - before
}

const earliest = (...times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** The first time at or after an instant, in whole seconds. */
function firstTime(cron: string, clock: ZoneClock, instant: number): number | undefined {
  let from = Math.ceil(instant / 1000) * 1000
  for (let change = clock.changeBefore(from); ;) {
    const found = earliest(regularTime(cron, change, clock.offset(from), from), change && skippedTime(cron, change, from))
    if (found === undefined) return undefined
    const next = clock.changeAfter(from, found)
    if (next === undefined || found < next.at) return found
    from = next.at
    change = next
  }
}

/**
 * The first time after an instant at which a cron expression comes in a time zone. The rule, for clocks that are put forward and back:
 *
 * - A time that the clock jumps over comes as much later as it jumped: 02:30 comes at 03:30 where 02:00 becomes 03:00.
 * - A time that the clock shows twice comes the first time only where the expression names hours.
 * - An expression that comes in every hour (`0 * * * *`, every so many minutes) goes by real time: it comes both times.
 * - Where two times fall together, they come once.
 *
 * It depends on the instant alone, so that a schedule ticks alike whenever it was made or taken up.
 *
 * @param after in milliseconds since 1970; so is the time, in whole seconds. Undefined where there is none
 */
export function nextTime(cron: string, zone: string, after: number): number | undefined {
  return firstTime(cron, zoneClock(zone), Math.floor(after / 1000) * 1000 + 1000)
}

/** The last time at or before an instant, by the same rule; undefined where there is none. */
export function previousTime(cron: string, zone: string, until: number): number | undefined {
  const comesSince = (start: number): number | undefined => {
    const time = nextTime(cron, zone, start)
    return time !== undefined && time <= until ? time : undefined
  }
  let span = 60_000
  while (span < longestMs && comesSince(until - span) === undefined) span *= 8
  let last = comesSince(until - span)
  if (last === undefined) return undefined
  // Between the last time found and `until`: whether there is a later one.
  let [low, high] = [last, until]
  while (high - low >= 1000) {
    const middle = low + Math.ceil((high - low) / 2000) * 1000
    const found = comesSince(middle - 1000)
    if (found === undefined) high = middle - 1000
    else low = last = found
  }
  return last
}
