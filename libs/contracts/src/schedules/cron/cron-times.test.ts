import { describe, expect, it } from 'vitest'
import { nextTime, previousTime } from './cron-times.js'
import { occurrence } from './zone-clock.js'

/** The next `count` times after `from`. */
function times(cron: string, zone: string, from: string, count: number): string[] {
  const found: string[] = []
  for (let last = Date.parse(from); found.length < count;) {
    const time = nextTime(cron, zone, last)
    if (time === undefined) break
    found.push(new Date(time).toISOString().replace(':00.000Z', 'Z'))
    last = time
  }
  return found
}

describe('times that the clock jumps over', () => {
  it.each([
    ['30 2 * * *', 'Europe/Berlin', '2027-03-28T00:00:00Z', ['2027-03-28T01:30Z', '2027-03-29T00:30Z']],
    ['0 2 * * *', 'Europe/Berlin', '2027-03-28T00:00:00Z', ['2027-03-28T01:00Z', '2027-03-29T00:00Z']],
    // Midnight itself: Cairo goes from 00:00 to 01:00.
    ['0 0 * * *', 'Africa/Cairo', '2027-04-28T23:00:00Z', ['2027-04-29T22:00Z', '2027-04-30T21:00Z']],
    ['0 0 * * 5', 'Africa/Cairo', '2027-04-29T12:00:00Z', ['2027-04-29T22:00Z', '2027-05-06T21:00Z']],
    ['@daily', 'America/Havana', '2027-03-14T00:00:00Z', ['2027-03-14T05:00Z', '2027-03-15T04:00Z']],
    // Half an hour: Lord Howe goes from 02:00 to 02:30.
    ['15 2 * * *', 'Australia/Lord_Howe', '2027-10-02T15:00:00Z', ['2027-10-02T15:45Z', '2027-10-03T15:15Z']],
    ['15 * * * *', 'Australia/Lord_Howe', '2027-10-02T14:00:00Z', ['2027-10-02T14:45Z', '2027-10-02T15:45Z', '2027-10-02T16:15Z']],
    // Two hours: Troll goes from 01:00 to 03:00.
    ['30 1 * * *', 'Antarctica/Troll', '2027-03-28T00:00:00Z', ['2027-03-28T01:30Z', '2027-03-28T23:30Z']],
    // A whole day: Samoa went from 29 to 31 December.
    ['0 12 30 * *', 'Pacific/Apia', '2011-12-01T00:00:00Z', ['2011-12-30T22:00Z', '2012-01-29T22:00Z']],
    ['0 12 * * *', 'Pacific/Apia', '2011-12-29T23:00:00Z', ['2011-12-30T22:00Z', '2011-12-31T22:00Z']],
  ])('%s in %s', (cron, zone, from, expected) => {
    expect(times(cron, zone, from, expected.length)).toEqual(expected)
  })
})

describe('times that the clock shows twice', () => {
  it.each([
    ['30 2 * * *', 'Europe/Berlin', '2027-10-31T00:00:00Z', ['2027-10-31T00:30Z', '2027-11-01T01:30Z']],
    // Made, or taken up, within the repeated hour.
    ['30 2 * * *', 'Europe/Berlin', '2027-10-31T00:30:00Z', ['2027-11-01T01:30Z']],
    ['30 2 * * *', 'Europe/Berlin', '2027-10-31T01:10:00Z', ['2027-11-01T01:30Z']],
    ['*/20 2 * * *', 'Europe/Berlin', '2027-10-31T00:30:00Z', ['2027-10-31T00:40Z', '2027-11-01T01:00Z']],
    ['0 * * * *', 'Europe/Berlin', '2027-10-30T23:30:00Z', ['2027-10-31T00:00Z', '2027-10-31T01:00Z', '2027-10-31T02:00Z']],
    [
      '*/30 * * * *',
      'Europe/Berlin',
      '2027-10-31T00:00:00Z',
      ['2027-10-31T00:30Z', '2027-10-31T01:00Z', '2027-10-31T01:30Z', '2027-10-31T02:00Z'],
    ],
    ['0 0-23 * * *', 'Europe/Berlin', '2027-10-30T23:30:00Z', ['2027-10-31T00:00Z', '2027-10-31T01:00Z']],
    ['0 */2 * * *', 'Europe/Berlin', '2027-10-30T21:30:00Z', ['2027-10-30T22:00Z', '2027-10-31T00:00Z', '2027-10-31T03:00Z']],
    ['45 1 * * *', 'Australia/Lord_Howe', '2027-04-03T12:00:00Z', ['2027-04-03T14:45Z', '2027-04-04T15:15Z']],
    ['45 * * * *', 'Australia/Lord_Howe', '2027-04-03T14:30:00Z', ['2027-04-03T14:45Z', '2027-04-03T15:15Z', '2027-04-03T16:15Z']],
  ])('%s in %s from %s', (cron, zone, from, expected) => {
    expect(times(cron, zone, from, expected.length)).toEqual(expected)
  })

  it('are told apart', () => {
    const at = (time: string): number => occurrence('Europe/Berlin', Date.parse(time))
    expect(
      [
        '2027-10-30T23:59:59Z',
        '2027-10-31T00:00:00Z',
        '2027-10-31T00:59:59Z',
        '2027-10-31T01:00:00Z',
        '2027-10-31T01:59:59Z',
        '2027-10-31T02:00:00Z',
        '2027-03-28T01:00:00Z',
      ].map(at),
    ).toEqual([1, 1, 1, 2, 2, 1, 1])
  })
})

it('times that fall together come once', () => {
  expect(times('30 2,3 * * *', 'Europe/Berlin', '2027-03-28T00:00:00Z', 2)).toEqual(['2027-03-28T01:30Z', '2027-03-29T00:30Z'])
})

it('seconds, names, last days and weekdays of a month are kept', () => {
  expect(times('*/20 0 0 1 1 *', 'UTC', '2027-01-01T00:00:00Z', 1)).toEqual(['2027-01-01T00:00:20.000Z'])
  expect(times('0 3 L * *', 'Europe/Berlin', '2027-02-01T00:00:00Z', 2)).toEqual(['2027-02-28T02:00Z', '2027-03-31T01:00Z'])
  expect(times('0 3 * * MON#1', 'Europe/Berlin', '2027-02-02T00:00:00Z', 1)).toEqual(['2027-03-01T02:00Z'])
  expect(times('0 0 29 2 *', 'Europe/Berlin', '2027-02-02T00:00:00Z', 2)).toEqual(['2028-02-28T23:00Z', '2032-02-28T23:00Z'])
  expect(nextTime('0 0 30 2 *', 'UTC', 0)).toBeUndefined()
})

it('the last time is the inverse of the next one', () => {
  const cases = [
    ['30 2 * * *', 'Europe/Berlin', '2027-03-27T00:00:00Z', 4],
    ['30 2 * * *', 'Europe/Berlin', '2027-10-30T00:00:00Z', 4],
    ['0 0 * * *', 'Africa/Cairo', '2027-04-27T00:00:00Z', 5],
    ['0 * * * *', 'Europe/Berlin', '2027-10-30T20:00:00Z', 9],
    ['15 * * * *', 'Australia/Lord_Howe', '2027-10-02T12:00:00Z', 9],
    ['0 0 29 2 *', 'Europe/Berlin', '2020-01-01T00:00:00Z', 3],
  ] as const
  for (const [cron, zone, from, count] of cases) {
    const found = times(cron, zone, from, count).map(time => Date.parse(time))
    for (const [i, time] of found.entries()) {
      expect(previousTime(cron, zone, time), cron).toBe(time)
      expect(previousTime(cron, zone, time + 1000), cron).toBe(time)
      if (i > 0) expect(previousTime(cron, zone, time - 1), cron).toBe(found[i - 1])
    }
  }
  expect(previousTime('0 0 30 2 *', 'UTC', Date.parse('2027-01-01T00:00:00Z'))).toBeUndefined()
})
