import { randomBytes } from 'node:crypto'
import {
  checkDrift,
  describeSchedule,
  type ScheduleChange,
  type ScheduleDetail,
  type ScheduleRecord,
  type ScheduleService,
  type ScheduleSpec,
  type ScheduleSummary,
  type ScheduleTick,
  summarizeSchedule,
} from '@layermill/contracts'
import type { Broker } from '@layermill/queue'
import { LayermillError } from '@layermill/core'
import { checkSpec } from '../check/check-spec.js'
import type { ScheduleStore } from './schedule-store.js'
import { addTick, startTicking, tickId, tickQueue } from './tick-jobs.js'

const unknown = (name: string): LayermillError => new LayermillError('SCHEDULE_UNKNOWN', `There is no schedule ${name}`)

/** Schedules in a store, ticking on a queue. What is in the store counts; the queue's part is made again from it. */
export class StoredSchedules implements ScheduleService {
  constructor(
    private readonly broker: Broker,
    private readonly store: ScheduleStore,
    private readonly now: () => Date = () => new Date(),
  ) {}

  async list(): Promise<ScheduleSummary[]> {
    const names = await this.store.names()
    const all = await Promise.all(
      names.map(async name => {
        const record = await this.store.record(name)
        return record === undefined ? [] : [summarizeSchedule(record, await this.store.history(name), this.now())]
      }),
    )
    return all.flat()
  }

  /** @throws LayermillError `SCHEDULE_EXISTS`; as `checkSpec` does */
  async add(schedule: ScheduleSpec): Promise<ScheduleDetail> {
    checkDrift(schedule)
    await checkSpec(schedule.spec)
    const time = this.now().toISOString()
    const record: ScheduleRecord = { version: 1, schedule, paused: false, created: time, changed: time, since: time }
    if (!(await this.store.add(record))) {
      throw new LayermillError('SCHEDULE_EXISTS', `There is a schedule ${schedule.name} already`, {
        hint: `change it with: layermill schedule edit ${schedule.name}`,
      })
    }
    await startTicking(tickQueue(this.broker), schedule)
    return this.describe(record)
  }

  async get(name: string): Promise<ScheduleDetail> {
    const record = await this.store.record(name)
    if (record === undefined) throw unknown(name)
    return this.describe(record)
  }

  /** @throws LayermillError `SCHEDULE_UNKNOWN`; as `checkSpec` does */
  async change(name: string, change: ScheduleChange): Promise<ScheduleDetail> {
    if (change.spec !== undefined) await checkSpec(change.spec)
    const time = this.now().toISOString()
    let otherTimes = false
    const record = await this.changed(name, old => {
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
      const schedule: ScheduleSpec = { ...old.schedule, ...given }
      checkDrift(schedule)
      otherTimes = schedule.cron !== old.schedule.cron || schedule.tz !== old.schedule.tz
      return { ...old, schedule, changed: time, since: otherTimes ? time : old.since }
    })
    if (otherTimes && !record.paused) await startTicking(tickQueue(this.broker), record.schedule)
    return this.describe(record)
  }

  async pause(name: string): Promise<ScheduleDetail> {
    const record = await this.changed(name, old => (old.paused ? old : { ...old, paused: true, changed: this.now().toISOString() }))
    await tickQueue(this.broker).removeJobScheduler(name)
    return this.describe(record)
  }

  async resume(name: string): Promise<ScheduleDetail> {
    const time = this.now().toISOString()
    const record = await this.changed(name, old => (old.paused ? { ...old, paused: false, changed: time, since: time } : old))
    await startTicking(tickQueue(this.broker), record.schedule)
    return this.describe(record)
  }

  async remove(name: string): Promise<void> {
    if ((await this.store.record(name)) === undefined) throw unknown(name)
    await this.store.remove(name)
    await tickQueue(this.broker).removeJobScheduler(name)
  }

  async run(name: string): Promise<ScheduleTick> {
    if ((await this.store.record(name)) === undefined) throw unknown(name)
    const due = this.now()
    const tick = `${tickId(due)}-${randomBytes(2).toString('hex')}`
    await addTick(tickQueue(this.broker), { schedule: name, due: due.toISOString(), tick, manual: true }, 'asked')
    return { schedule: name, tick }
  }

  private async changed(name: string, change: (record: ScheduleRecord) => ScheduleRecord): Promise<ScheduleRecord> {
    const record = await this.store.change(name, change)
    if (record === undefined) throw unknown(name)
    return record
  }

  private async describe(record: ScheduleRecord): Promise<ScheduleDetail> {
    return describeSchedule(record, await this.store.history(record.schedule.name), this.now())
  }
}
