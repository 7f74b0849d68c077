import { expect, it } from 'vitest'
import { nextTime, parseCron, previousTime } from './cron-times.js'

/**
 * Every tick of days of ten years, held against the rule as it is stated, carried out by force: each minute is looked at, with what the
 * clock shows then. Each run takes some zones, all of the days around their changes that were drawn, and some other days; every day of all
 * zones that changed their clocks since 2000 with LAYERMILL_TEST_CRON=full.
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

const minutesADay = 24 * 60

/** A matcher of its own: minutes of a day on the wall, and days on the wall counted from 1970, by the five fields. */
function matcher(pattern: string): { minutes: Uint8Array; matchesDay: (day: number) => boolean; everyHour: boolean } {
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
    minutes: Uint8Array.from({ length: minutesADay }, (_, at) => (minutes.has(at % 60) && hours.has(Math.floor(at / 60)) ? 1 : 0)),
    matchesDay: at => {
      const date = new Date(at * dayMs)
      return months.has(date.getUTCMonth() + 1) && ofDay(date)
    },
  }
}

/** Ticks of these in a day are too many to look at each of ten years, in all zones. */
const isFrequent = (pattern: string): boolean => pattern.split(' ')[1] === '*' || pattern.includes('0-23')

/** Every minute of a stretch, one number each. */
interface Minutes {
  /** Of the first one, in milliseconds since 1970. */
  readonly from: number
  /** Shown by the clock on the wall, in minutes since 1970. */
  readonly wall: Int32Array
  /** 1 where the clock has shown as much before. */
  readonly again: Uint8Array
  /** By the place of a minute: the first of the times on the wall, in minutes since 1970, that the clock jumped over to get there. */
  readonly jumps: ReadonlyMap<number, number>
}

function minutesOf(wall: (instant: number) => number, from: number, to: number, changing: ReadonlySet<number>): Minutes {
  const before = 26 * 60
  const count = (to - from) / minuteMs
  const found = { from, wall: new Int32Array(count), again: new Uint8Array(count), jumps: new Map<number, number>() }
  let highest = -Infinity
  let shown = wall(from - before * minuteMs) / minuteMs
  for (let at = -before; at < count; at++) {
    const instant = from + at * minuteMs
    const hour = Math.floor(instant / hourMs) * hourMs
    const asked = instant === hour || changing.has(hour) || changing.has(hour - hourMs)
    const now = asked ? Math.floor(wall(instant) / minuteMs) : shown
    if (at >= 0) {
      found.wall[at] = now
      found.again[at] = now <= highest ? 1 : 0
      if (shown < now) found.jumps.set(at, shown)
    }
    highest = Math.max(highest, now)
    shown = now + 1
  }
  return found
}

/** The ticks of a stretch, by the rule. */
function expectedTicks(pattern: string, { from, wall, again, jumps }: Minutes): number[] {
  const { minutes, matchesDay, everyHour } = matcher(pattern)
  const ticks = new Set<number>()
  const end = from + wall.length * minuteMs
  let [day, inDay] = [-1, false]
  const matches = (shown: number): boolean => {
    if (minutes[((shown % minutesADay) + minutesADay) % minutesADay] === 0) return false
    const now = Math.floor(shown / minutesADay)
    if (now !== day) [day, inDay] = [now, matchesDay(now)]
    return inDay
  }
  for (let at = 0; at < wall.length; at++) {
    if ((everyHour || again[at] === 0) && matches(wall[at]!)) ticks.add(from + at * minuteMs)
    const first = jumps.get(at)
    // A time that the clock jumped over comes as much later as it lies after the first of them.
    for (let missing = first ?? Infinity; missing < wall[at]!; missing++)
      if (matches(missing)) ticks.add(from + (at + missing - first!) * minuteMs)
  }
  return [...ticks].filter(tick => tick < end).toSorted((a, b) => a - b)
}

function actualTicks(pattern: string, zone: string, from: number, to: number): number[] {
  const ticks: number[] = []
  for (let tick = nextTime(pattern, zone, from - 1000); tick !== undefined && tick < to; tick = nextTime(pattern, zone, tick))
    ticks.push(tick)
  return ticks
}

const show = (ticks: readonly number[]): string => ticks.map(tick => new Date(tick).toISOString()).join(' ')

/** Zones whose clock changed since 2000. */
function changedZones(): string[] {
  return Intl.supportedValuesOf('timeZone').filter(zone => {
    const wall = wallClock(zone)
    const offsets = new Set<number>()
    for (let instant = Date.UTC(2000, 0, 1); instant < last; instant += 30 * dayMs) offsets.add(wall(instant) - instant)
    return offsets.size > 1
  })
}

/** Of zones whose clocks show the same in all of the ten years, one. */
function differentZones(zones: readonly string[]): string[] {
  const found = new Map<string, string>()
  for (const zone of zones) {
    const wall = wallClock(zone)
    const offsets = changingHours(wall).map(hour => `${hour}:${wall(hour + hourMs) - hour}`)
    found.set(`${wall(first - 2 * dayMs) - first} ${offsets.join(' ')}`, zone)
  }
  return [...found.values()]
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

interface Stretch {
  readonly from: number
  readonly to: number
  readonly patterns: readonly string[]
}

function stretches(zone: string, draw: () => number): Stretch[] {
  const days = (from: number, count: number): Stretch => ({ from, to: from + count * dayMs, patterns })
  const changes = changingHours(wallClock(zone)).map(hour => days(hour - dayMs, 3))
  const drawn = (count: number): Stretch => days(first + Math.floor((draw() * (last - first)) / dayMs) * dayMs, count)
  if (scope !== 'full') return [...changes.toSorted(() => draw() - 0.5).slice(0, 2), drawn(2)]
  return [...changes, drawn(30), { from: first, to: last, patterns: patterns.filter(pattern => !isFrequent(pattern)) }]
}

it(
  `every tick is where the rule says (seed ${seed}; set LAYERMILL_TEST_SEED to repeat)`,
  () => {
    const draw = random()
    const drawn = (zones: readonly string[]): string[] => zones.toSorted(() => draw() - 0.5).slice(0, 3)
    const zones = scope === 'full' ? differentZones(changedZones()) : [...drawn(known), ...drawn(changedZones())]
    expect(patterns).toHaveLength(40)
    let compared = 0
    for (const [index, zone] of zones.entries()) {
      const wall = wallClock(zone)
      const changing = new Set(changingHours(wall))
      for (const { from, to, patterns: some } of stretches(zone, draw)) {
        const minutes = minutesOf(wall, from, to, changing)
        for (const pattern of some) {
          const expected = expectedTicks(pattern, minutes)
          const actual = actualTicks(pattern, zone, from, to)
          const differs = expected.length !== actual.length || expected.some((tick, i) => tick !== actual[i])
          // Ten years of ticks are no text to compare.
          const at = differs
            ? Math.max(
                0,
                expected.findIndex((tick, i) => tick !== actual[i]),
              )
            : 0
          if (differs) expect(show(actual.slice(at, at + 20)), `${pattern} in ${zone}`).toBe(show(expected.slice(at, at + 20)))
          expect(differs, `${pattern} in ${zone} has ${actual.length} ticks, not ${expected.length}`).toBe(false)
          if (expected.length > 0 && parseCron(pattern) !== undefined) expect(previousTime(pattern, zone, to - 1000)).toBe(expected.at(-1))
          compared += expected.length
        }
      }
      if (scope === 'full') process.stdout.write(`${index + 1} of ${zones.length}: ${zone}, ${compared} ticks\n`)
    }
    process.stdout.write(`seed ${seed}: ${zones.length} zones, ${compared} ticks compared\n`)
    expect(compared).toBeGreaterThan(500)
  },
  scope === undefined ? 120_000 : 7_200_000,
)
