import {
  nextTimes,
  type ScheduleChange,
  type ScheduleDetail,
  type ScheduleService,
  type ScheduleSpec,
  type ScheduleSummary,
  type ScheduleTick,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'

/** Schedules in memory, for tests of the HTTP side: they never tick. */
export class MemorySchedules implements ScheduleService {
  private readonly schedules = new Map<string, ScheduleDetail>()

  list(): Promise<ScheduleSummary[]> {
    return Promise.resolve([...this.schedules.values()])
  }

  add({ name, cron, tz, overlap, missed, unchanged, spec }: ScheduleSpec): Promise<ScheduleDetail> {
    if (this.schedules.has(name)) return Promise.reject(new LayermillError('SCHEDULE_EXISTS', `There is a schedule ${name} already`))
    const time = '2026-01-02T03:04:05.000Z'
    return this.set(name, {
      name,
      cron,
      tz,
      overlap,
      missed,
      unchanged,
      kind: spec.kind,
      source: spec.source,
      model: spec.model,
      out: spec.out,
      paused: false,
      spec: { ...spec },
      created: time,
      changed: time,
      history: [],
      upcoming: nextTimes(cron, tz, new Date(time), 5).map(date => date.toISOString()),
    })
  }

  get(name: string): Promise<ScheduleDetail> {
    const schedule = this.schedules.get(name)
    return schedule === undefined
      ? Promise.reject(new LayermillError('SCHEDULE_UNKNOWN', `There is no schedule ${name}`))
      : Promise.resolve(schedule)
  }

  async change(name: string, { spec, ...change }: ScheduleChange): Promise<ScheduleDetail> {
    return this.set(name, { ...(await this.get(name)), ...change, ...(spec === undefined ? {} : { spec: { ...spec } }) })
  }

  async pause(name: string): Promise<ScheduleDetail> {
    return this.set(name, { ...(await this.get(name)), paused: true })
  }

  async resume(name: string): Promise<ScheduleDetail> {
    return this.set(name, { ...(await this.get(name)), paused: false })
  }

  async remove(name: string): Promise<void> {
    await this.get(name)
    this.schedules.delete(name)
  }

  async run(name: string): Promise<ScheduleTick> {
    await this.get(name)
    return { schedule: name, tick: 'asked' }
  }

  private set(name: string, schedule: ScheduleDetail): Promise<ScheduleDetail> {
    this.schedules.set(name, schedule)
    return Promise.resolve(schedule)
  }
}
