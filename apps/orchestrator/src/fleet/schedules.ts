import { join } from 'node:path'
import type { Notify, RunService, ScheduleService } from '@layermill/contracts'
import { LayermillError, layermillHome } from '@layermill/core'
import type { Broker } from '@layermill/queue'
import { openStore } from '@layermill/storage'
import type { ModelRegistry } from '../registry/registry.js'
import type { RunEnvironment } from '../run/environment.js'
import { claimPlace } from '../schedules/place.js'
import { StoredSchedules } from '../schedules/schedule-service.js'
import { ScheduleStore } from '../schedules/schedule-store.js'
import { startScheduleWorker } from '../schedules/schedule-worker.js'

export interface FleetSchedulesOptions {
  readonly broker: Broker
  readonly environment: RunEnvironment
  readonly runs: RunService
  /** Registry that resolves the registered models of specs. */
  readonly registry: ModelRegistry | undefined
  /** `--state`; default: the folder `state` of LAYERMILL_HOME. */
  readonly state: string | undefined
  readonly notify: Notify
  readonly note: (text: string) => void
  readonly warn: (text: string) => void
}

export interface FleetSchedules {
  readonly service: ScheduleService
  /** Begins to take up ticks. */
  start(): void
  close(): Promise<void>
}

/** Schedules that this process does not keep: every question is answered with the reason. */
function refusing(error: LayermillError): ScheduleService {
  const refuse = (): Promise<never> => Promise.reject(error)
  return { list: refuse, add: refuse, get: refuse, change: refuse, pause: refuse, resume: refuse, remove: refuse, run: refuse }
}

/** The schedules of a fleet, kept in the store of `--state`. Where the queue's are kept at another place, they are left alone. */
export async function openFleetSchedules({
  broker,
  environment,
  runs,
  registry,
  state,
  notify,
  note,
  warn,
}: FleetSchedulesOptions): Promise<FleetSchedules> {
  const store = new ScheduleStore(openStore(state ?? join(layermillHome(), 'state')))
  try {
    await claimPlace(broker, store, state !== undefined)
  } catch (error) {
    if (!(error instanceof LayermillError) || error.code !== 'SCHEDULES_ELSEWHERE') throw error
    warn(`schedules are not carried out by this process: ${error.message}; ${error.hint ?? ''}`)
    return { service: refusing(error), start: () => undefined, close: () => store.store.close() }
  }
  let worker: { close(): Promise<void> } | undefined
  return {
    service: new StoredSchedules(broker, store),
    start() {
      worker ??= startScheduleWorker(broker, store, {
        runs,
        registry,
        notify,
        note,
        now: () => environment.now(),
        openSource: (source, access) => environment.openSource(source, access),
        openStore: url => environment.openStore(url),
      })
    },
    async close() {
      await worker?.close()
      await store.store.close()
    },
  }
}
