import type { RunService, RunSpec, ScheduleService, ScheduleSpec } from '@layermill/contracts'
import { preparedRuns } from '../registry/prepared-runs.js'

/** A rule of a server for the specs that come over HTTP. */
export interface SpecCheck {
  /** @throws LayermillError naming the field that is refused */
  checkSpec(spec: RunSpec): Promise<void>
}

async function checkAll(spec: RunSpec, checks: readonly SpecCheck[]): Promise<void> {
  for (const check of checks) await check.checkSpec(spec)
}

/** Runs whose specs pass some checks. */
export function guardRuns(runs: RunService, ...checks: readonly SpecCheck[]): RunService {
  return preparedRuns(runs, async spec => {
    await checkAll(spec, checks)
    return spec
  })
}

/** Features of the past are read as a source is. */
async function checkReference(spec: RunSpec, drift: ScheduleSpec['drift'], checks: readonly SpecCheck[]): Promise<void> {
  if (drift !== undefined) await checkAll({ ...spec, source: drift.reference }, checks)
}

/** Schedules whose specs pass some checks. */
export function guardSchedules(schedules: ScheduleService, ...checks: readonly SpecCheck[]): ScheduleService {
  return {
    list: () => schedules.list(),
    add: async schedule => {
      await checkAll(schedule.spec, checks)
      await checkReference(schedule.spec, schedule.drift, checks)
      return schedules.add(schedule)
    },
    get: name => schedules.get(name),
    change: async (name, change) => {
      if (change.spec !== undefined) await checkAll(change.spec, checks)
      if (change.drift !== undefined)
        await checkReference(change.spec ?? ((await schedules.get(name)).spec as RunSpec), change.drift, checks)
      return schedules.change(name, change)
    },
    pause: name => schedules.pause(name),
    resume: name => schedules.resume(name),
    remove: name => schedules.remove(name),
    run: name => schedules.run(name),
  }
}
