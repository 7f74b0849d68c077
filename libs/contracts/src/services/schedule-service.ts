import type { ScheduleChange, ScheduleSpec } from '../schedules/schedule.js'
import type { ScheduleDetail, ScheduleSummary, ScheduleTick } from '../schedules/views.js'

/** Schedules, for the HTTP side and the command. Every method but `list` and `add` throws LayermillError `SCHEDULE_UNKNOWN`. */
export interface ScheduleService {
  /** By name. */
  list(): Promise<ScheduleSummary[]>
  /** @throws LayermillError `SCHEDULE_EXISTS` */
  add(spec: ScheduleSpec): Promise<ScheduleDetail>
  get(name: string): Promise<ScheduleDetail>
  /** Changes the fields that are given; the history stays. */
  change(name: string, change: ScheduleChange): Promise<ScheduleDetail>
  pause(name: string): Promise<ScheduleDetail>
  /** Goes on with a paused one; what came due meanwhile is not made up for. */
  resume(name: string): Promise<ScheduleDetail>
  /** Runs go on; what they wrote stays. */
  remove(name: string): Promise<void>
  /** Queues a tick now, also of a paused schedule and where nothing changed. It does not overlap either. */
  run(name: string): Promise<ScheduleTick>
}
