import {
  type ScheduleChange,
  ScheduleDetail,
  ScheduleList,
  type ScheduleService,
  type ScheduleSpec,
  type ScheduleSummary,
  ScheduleTick,
} from '@layermill/contracts'
import * as z from 'zod'
import type { ServerConnection } from './server-connection.js'

/** The schedules of a server, `layermill serve`. */
export class HttpSchedules implements ScheduleService {
  constructor(private readonly server: ServerConnection) {}

  async list(): Promise<ScheduleSummary[]> {
    return (await this.server.json('GET', '/v1/schedules', ScheduleList)).schedules
  }

  add(spec: ScheduleSpec): Promise<ScheduleDetail> {
    return this.server.json('POST', '/v1/schedules', ScheduleDetail, JSON.stringify(spec))
  }

  get(name: string): Promise<ScheduleDetail> {
    return this.server.json('GET', this.path(name), ScheduleDetail)
  }

  change(name: string, change: ScheduleChange): Promise<ScheduleDetail> {
    return this.server.json('PATCH', this.path(name), ScheduleDetail, JSON.stringify(change))
  }

  pause(name: string): Promise<ScheduleDetail> {
    return this.server.json('POST', this.path(name, '/pause'), ScheduleDetail)
  }

  resume(name: string): Promise<ScheduleDetail> {
    return this.server.json('POST', this.path(name, '/resume'), ScheduleDetail)
  }

  async remove(name: string): Promise<void> {
    await this.server.json('DELETE', this.path(name), z.null())
  }

  run(name: string): Promise<ScheduleTick> {
    return this.server.json('POST', this.path(name, '/run'), ScheduleTick)
  }

  private path(name: string, rest = ''): string {
    return `/v1/schedules/${encodeURIComponent(name)}${rest}`
  }
}
