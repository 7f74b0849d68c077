import { expect, it } from 'vitest'
import { nextTime, parseCron, previousTime } from './cron-times.js'

/**
 * Every tick of days of ten years, held against the rule as it is stated, carried out by force: each minute is looked at, with what the
 * clock shows then. Each run takes some zones, all of the days around their changes that were drawn, and some other days; all zones and all
 * of their changes with LAYERMILL_TEST_CRON=full, and every day as well with LAYERMILL_TEST_CRON=days.
 */
const scope = process.env['LAYERMILL_TEST_CRON']
const seed = Number(process.env['LAYERMILL_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const first = Date.UTC(2020, 0, 1)
const last = Date.UTC(2030, 0, 1)

const patterns = [
  '0 0 * * *',
  '30 0 * * *',
  '59 23 * * *',
  '0 1 * * *',
  '30 1 * * *',
  '15 1 * * *',
  '45 1 * * *',
  '0 2 * * *',
  '5 2 * * *',
  '15 2 * * *',
  '30 2 * * *',
  '45 2 * * *',
  '0 3 * * *',
  '30 3 * * *',
  '0 0 * * 0',
  '0 0 * * 1',
  '30 2 * * 0',
  '0 2 * * 6,0',
  '0 0 1 * *',
  '0 0 15 * 1',
  '0 0 L * *',
  '30 2 28-31 3,10 *',
  '0 0 29 2 *',
  '0 0,12 * * *',
  '0 0-3 * * *',
  '30 1-3 * * *',
  '0 */2 * * *',
  '0 */6 * * *',
  '15,45 2 * * *',
  '*/20 2 * * *',
  '*/30 0,1 * * *',
  '10-20/5 1 * 3-4 *',
  '0 9-17 * * 1-5',
  '0 * * * *',
  '30 * * * *',
  '15 * * * *',
  '0,30 * * * *',
  '7 0-23 * * *',
  '*/15 * * * *',
  '*/20 * * * 0',
]

/** Ticks of these in a day are too many to look at every one of ten years. */
const isFrequent = (pattern: string): boolean => pattern.split(' ')[1] === '*' || pattern.includes('0-23')

function random(): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Time on a zone's clock, as the UTC time with the same digits, from the library of time zones itself. */
function wallClock(zone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  return instant => Date.parse(`${format.format(instant).replace(' ', 'T')}Z`)
}

/** Hours within which the clock is changed. */
function changingHours(wall: (instant: number) => number): number[] {
  const found: number[] = []
  let before = wall(first - 2 * dayMs)
  for (let instant = first - 2 * dayMs; instant < last; instant += 6 * hourMs) {
    const after = wall(instant + 6 * hourMs)
    if (after - before !== 6 * hourMs) {
      for (let hour = instant; hour < instant + 6 * hourMs; hour += hourMs)
        if (wall(hour + hourMs) - wall(hour) !== hourMs) found.push(hour)
    }
    before = after
  }
  return found
}

const numbers = (field: string, from: number, to: number): Set<number> => {
  const found = new Set<number>()
  for (const item of field.split(',')) {
    const [range = '', step = '1'] = item.split('/')
    const [low = '', high = low] = range === '*' ? [String(from), String(to)] : range.split('-')
    for (
      let value = Number(low);
      value <= (item.includes('/') && !range.includes('-') && range !== '*' ? to : Number(high));
      value += Number(step)
    )
      found.add(value)
  }
  return found
}

/** A matcher of its own: minutes on the wall, by the five fields. */
function matcher(pattern: string): { matches: (wall: number) => boolean; everyHour: boolean } {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = pattern.split(' ')
  const [minutes, hours, months, weekdays] = [numbers(minute, 0, 59), numbers(hour, 0, 23), numbers(month, 1, 12), numbers(weekday, 0, 6)]
  const days = day === 'L' ? new Set<number>() : numbers(day, 1, 31)
  const ofDay = (date: Date): boolean => {
    const inMonth = day === 'L' ? new Date(date.getTime() + dayMs).getUTCDate() === 1 : days.has(date.getUTCDate())
    const inWeek = weekdays.has(date.getUTCDay())
    return day !== '*' && weekday !== '*' ? inMonth || inWeek : inMonth && inWeek
  }
  return {
    everyHour: hours.size === 24,
    matches: wall => {
      const date = new Date(wall)
      return minutes.has(date.getUTCMinutes()) && hours.has(date.getUTCHours()) && months.has(date.getUTCMonth() + 1) && ofDay(date)
    },
  }
}

interface Minute {
  readonly instant: number
  readonly wall: number
  readonly again: boolean
  /** Times on the wall that the clock jumped over to get here. */
  readonly skipped: readonly number[]
}

/** Every minute of a stretch. */
function minutesOf(wall: (instant: number) => number, from: number, to: number, changing: ReadonlySet<number>): Minute[] {
  const found: Minute[] = []
  let highest = -Infinity
  let shown = wall(from - 26 * hourMs)
  for (let instant = from - 26 * hourMs; instant < to; instant += minuteMs) {
    const hour = Math.floor(instant / hourMs) * hourMs
    const now = changing.has(hour) || changing.has(hour - hourMs) ? wall(instant) : instant === hour ? wall(instant) : shown
    const skipped: number[] = []
    for (let missing = shown; missing < now && instant > from - 26 * hourMs; missing += minuteMs) skipped.push(missing)
    if (instant >= from) found.push({ instant, wall: now, again: now <= highest, skipped })
    highest = Math.max(highest, now)
    shown = now + minuteMs
  }
  return found
}

/** The ticks of a stretch, by the rule. */
function expectedTicks(pattern: string, minutes: readonly Minute[], from: number, to: number): number[] {
  const { matches, everyHour } = matcher(pattern)
  const ticks = new Set<number>()
  for (const { instant, wall, again, skipped } of minutes) {
    if (matches(wall) && (everyHour || !again)) ticks.add(instant)
    for (const missing of skipped) if (matches(missing)) ticks.add(instant + missing - skipped[0]!)
  }
  return [...ticks].filter(tick => tick >= from && tick < to).toSorted((a, b) => a - b)
}

function actualTicks(pattern: string, zone: string, from: number, to: number): number[] {
  const ticks: number[] = []
  for (let tick = nextTime(pattern, zone, from - 1000); tick !== undefined && tick < to; tick = nextTime(pattern, zone, tick))
    ticks.push(tick)
  return ticks
}

const show = (ticks: readonly number[]): string => ticks.map(tick => new Date(tick).toISOString()).join(' ')

/** Zones whose clock changed since 2000, one of those that changed alike. */
function changedZones(): string[] {
  const seen = new Map<string, string>()
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const wall = wallClock(zone)
    const offsets: number[] = []
    for (let instant = Date.UTC(2000, 0, 1); instant < last; instant += 14 * dayMs) offsets.push(wall(instant) - instant)
    if (new Set(offsets).size > 1) seen.set(offsets.join(' '), zone)
  }
  return [...seen.values()]
}

const known = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Asia/Beirut',
  'America/Havana',
  'America/Asuncion',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'Asia/Tehran',
]

function stretches(zone: string, draw: () => number): { from: number; to: number; all: boolean }[] {
  const changes = changingHours(wallClock(zone))
  const around = changes.map(hour => ({ from: hour - dayMs, to: hour + 2 * dayMs, all: true }))
  const picked = scope === undefined ? around.toSorted(() => draw() - 0.5).slice(0, 2) : around
  const day = (): number => first + Math.floor((draw() * (last - first)) / dayMs) * dayMs
  const others = Array.from({ length: scope === undefined ? 1 : 4 }, day).map(from => ({ from, to: from + 2 * dayMs, all: true }))
  return [...picked, ...others, ...(scope === 'days' ? [{ from: first, to: last, all: false }] : [])]
}

it(
  `every tick is where the rule says (seed ${seed}; set LAYERMILL_TEST_SEED to repeat)`,
  () => {
    const draw = random()
    const zones =
      scope === undefined
        ? [
            ...known.toSorted(() => draw() - 0.5).slice(0, 3),
            ...changedZones()
              .toSorted(() => draw() - 0.5)
              .slice(0, 3),
          ]
        : scope === 'days'
          ? known
          : changedZones()
    expect(patterns).toHaveLength(40)
    let compared = 0
    for (const zone of zones) {
      const wall = wallClock(zone)
      const changing = new Set(changingHours(wall))
      for (const { from, to, all } of stretches(zone, draw)) {
        const minutes = minutesOf(wall, from, to, changing)
        for (const pattern of patterns.filter(text => all || !isFrequent(text))) {
          const expected = expectedTicks(pattern, minutes, from, to)
          expect(show(actualTicks(pattern, zone, from, to)), `${pattern} in ${zone}`).toBe(show(expected))
          if (expected.length > 0 && parseCron(pattern) !== undefined) expect(previousTime(pattern, zone, to - 1000)).toBe(expected.at(-1))
          compared += expected.length
        }
      }
    }
    process.stdout.write(`seed ${seed}: ${zones.length} zones, ${compared} ticks compared\n`)
    expect(compared).toBeGreaterThan(500)
  },
  scope === undefined ? 120_000 : 3_600_000,
)
