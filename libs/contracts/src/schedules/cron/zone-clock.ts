/** A change of a zone's offset from UTC. */
export interface Transition {
  /** The first instant with the new offset, in milliseconds. */
  readonly at: number
  /** Milliseconds to add to UTC before and from then on. */
  readonly before: number
  readonly after: number
}

const hourMs = 3_600_000
/** Two changes of one zone are never as near to each other. */
const stepMs = 12 * hourMs
const yearMs = 365.25 * 24 * hourMs

/** The clock on the wall of a time zone: its offset at any instant, and when that changes. Instants in milliseconds since 1970. */
export class ZoneClock {
  private readonly format: Intl.DateTimeFormat
  private readonly years = new Map<number, readonly Transition[]>()

  /** @param zone an IANA name. @throws RangeError for any other */
  constructor(zone: string) {
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
  }

  /** Milliseconds to add to UTC for what the clock shows. */
  offset(instant: number): number {
    const whole = Math.floor(instant / 1000) * 1000
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (this.format.format(whole).match(/\d+/g) ?? []).map(Number)
    return Date.UTC(year, month - 1, day, hour, minute, second) - whole
  }

  /** The last change at or before an instant, within a year. */
  changeBefore(instant: number): Transition | undefined {
    const year = Math.floor(instant / yearMs)
    return [...this.changes(year - 1), ...this.changes(year)].findLast(({ at }) => at <= instant)
  }

  /** The first change after an instant and not after another one. */
  changeAfter(instant: number, until: number): Transition | undefined {
    for (let year = Math.floor(instant / yearMs); year * yearMs <= until; year++) {
      const found = this.changes(year).find(({ at }) => at > instant)
      if (found !== undefined) return found.at <= until ? found : undefined
    }
    return undefined
  }

  /** The changes of one stretch of a year, found by looking at every half day. */
  private changes(year: number): readonly Transition[] {
    const known = this.years.get(year)
    if (known !== undefined) return known
    const found: Transition[] = []
    const end = (year + 1) * yearMs
    let before = this.offset(year * yearMs)
    for (let start = year * yearMs; start < end; start += stepMs) {
      const stop = Math.min(start + stepMs, end)
      const after = this.offset(stop)
      if (after !== before) found.push({ at: this.bisect(start, stop, before), before, after })
      before = after
    }
    this.years.set(year, found)
    return found
  }

  /** The first second with another offset than `before`. */
  private bisect(start: number, stop: number, before: number): number {
    let [low, high] = [Math.floor(start / 1000), Math.floor(stop / 1000)]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.offset(middle * 1000) === before) low = middle
      else high = middle
    }
    return high * 1000
  }
}

const clocks = new Map<string, ZoneClock>()

/** A zone's clock, made once. */
export function zoneClock(zone: string): ZoneClock {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    clock = new ZoneClock(zone)
    clocks.set(zone, clock)
  }
  return clock
}

/**
 * Which time it is that the clock shows what it shows at an instant: 1, or 2 where it was put back since.
 */
export function occurrence(zone: string, instant: number): 1 | 2 {
  const change = zoneClock(zone).changeBefore(instant)
  return change !== undefined && instant < change.at + change.before - change.after ? 2 : 1
}
