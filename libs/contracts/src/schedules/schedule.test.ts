import { describe, expect, it } from 'vitest'
import { lastTime, nextTimes, parseScheduleChange, parseScheduleSpec, specOfTick } from './schedule.js'

const spec = { kind: 'extract', source: '/photos', model: 'resnet50', out: '/features' }
const iso = (times: Date[]): string[] => times.map(time => time.toISOString())
const next = (cron: string, from: string, count: number): string[] => iso(nextTimes(cron, 'Europe/Berlin', new Date(from), count))

describe('times across daylight saving', () => {
  it('keeps the hour of the wall clock', () => {
    expect(next('0 3 * * *', '2027-03-27T00:00:00Z', 2)).toEqual(['2027-03-27T02:00:00.000Z', '2027-03-28T01:00:00.000Z'])
    expect(next('0 3 * * *', '2027-10-30T00:00:00Z', 2)).toEqual(['2027-10-30T01:00:00.000Z', '2027-10-31T02:00:00.000Z'])
  })

  it('comes an hour later where the clock jumps over its time', () => {
    expect(next('30 2 * * *', '2027-03-27T12:00:00Z', 2)).toEqual(['2027-03-28T01:30:00.000Z', '2027-03-29T00:30:00.000Z'])
  })

  it('comes once where the clock passes its time twice', () => {
    expect(next('30 2 * * *', '2027-10-30T12:00:00Z', 2)).toEqual(['2027-10-31T00:30:00.000Z', '2027-11-01T01:30:00.000Z'])
  })

  it('finds the last time, that of this moment included', () => {
    const last = (until: string): string | undefined => lastTime('0 3 * * *', 'Europe/Berlin', new Date(until))?.toISOString()
    expect(last('2027-03-28T00:59:59Z')).toBe('2027-03-27T02:00:00.000Z')
    expect(last('2027-03-28T01:00:00Z')).toBe('2027-03-28T01:00:00.000Z')
  })
})

describe('parseScheduleSpec', () => {
  it('fills in what was left out', () => {
    expect(parseScheduleSpec({ name: 'nightly', cron: ' 0 3 * * * ', spec })).toMatchObject({
      cron: '0 3 * * *',
      tz: 'UTC',
      overlap: 'skip',
      missed: 'run',
      unchanged: 'skip',
      spec: { weights: 'imagenet' },
    })
  })

  it.each([
    [{ name: 'Nightly!' }, /^name: got "Nightly!", expected a name of lower-case/],
    [{ cron: '0 99 * * *' }, /^cron: got "0 99 \* \* \*", expected a cron expression.*0-23/],
    [{ cron: '0 3 * *' }, /^cron: .*these are 4/],
    [{ cron: 'H 3 * * *' }, /^cron: .*no H/],
    [{ cron: '0 0 30 2 *' }, /^cron: /],
    [{ tz: 'Europe/Bonn' }, /^tz: got "Europe\/Bonn", expected a time zone/],
    [{ tz: '+02:00' }, /^tz: /],
    [{ overlap: 'kill' }, /^overlap: got "kill", expected skip or queue/],
    [{ notify: ['ftp://a'] }, /^notify\[0\]: .*http:\/\/ or https:/],
    [{ notify: ['https://user:secret@host/'] }, /^(?!.*secret).*without credentials/],
    [{ spec: { ...spec, dtype: 'float8' } }, /^spec\.dtype: got "float8"/],
    [{ spec: { ...spec, out: '/f/{day}' } }, /^spec\.out: .*\{date\}, \{time\}, \{run\}/],
    [{ spec: { ...spec, kind: 'finetune' } }, /^spec\.out: .*\{date\} or \{run\}/],
    [{ every: 5 }, /^every: unknown field/],
  ])('refuses %j', (change, message) => {
    expect(() => parseScheduleSpec({ name: 'nightly', cron: '0 3 * * *', spec, ...change })).toThrow(
      expect.objectContaining({ code: 'SPEC_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('checks changes as well, and only what they name', () => {
    expect(parseScheduleChange({ tz: 'Asia/Tokyo' })).toEqual({ tz: 'Asia/Tokyo' })
    expect(() => parseScheduleChange({ name: 'other' })).toThrow('name: unknown field')
  })
})

describe('specOfTick', () => {
  const tick = { id: '20270101t233000z', due: new Date('2027-01-01T23:30:00Z') }

  it('fills the place in, by the date where the schedule is', () => {
    const schedule = parseScheduleSpec({
      name: 'n',
      cron: '@daily',
      tz: 'Europe/Berlin',
      spec: { ...spec, kind: 'finetune', out: '/models/{date}-{time}-{run}' },
    })
    expect(specOfTick(schedule, tick).out).toBe('/models/2027-01-02-003000-20270101t233000z')
  })

  it("updates what is extracted into the same place, and tells the schedule's webhooks", () => {
    const schedule = parseScheduleSpec({
      name: 'n',
      cron: '@daily',
      notify: ['https://a.example/'],
      spec: { ...spec, notify: ['https://b.example/'] },
    })
    expect(specOfTick(schedule, tick)).toMatchObject({
      update: true,
      out: '/features',
      notify: ['https://b.example/', 'https://a.example/'],
    })
    expect(specOfTick({ ...schedule, spec: { ...schedule.spec, out: '/f/{run}' } }, tick)).toMatchObject({ update: false })
  })
})
