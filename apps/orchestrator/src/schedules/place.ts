import { queueNames } from '@layermill/contracts'
import type { Broker } from '@layermill/queue'
import { errorMessage, LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import * as z from 'zod'
import { ScheduleStore } from './schedule-store.js'

/** Place of a queue's schedules, as the queue says it: for commands that only know the queue. */
const Place = z.object({ url: z.string(), id: z.string() })
type Place = z.output<typeof Place>

const placeJob = 'schedules'

async function readPlace(broker: Broker): Promise<Place | undefined> {
  const job = await broker.queue<unknown>(queueNames.state).getJob(placeJob)
  const result = Place.safeParse(job?.data)
  return result.success ? result.data : undefined
}

async function writePlace(broker: Broker, place: Place): Promise<void> {
  const queue = broker.queue<Place>(queueNames.state)
  const job = await queue.getJob(placeJob)
  if (job === undefined) await queue.add('place', place, { jobId: placeJob })
  else await job.updateData(place)
}

/**
 * Keeps a queue's schedules in this store from now on. Whoever named the place (`given`) last has its way; a place that is only the default
 * never takes the schedules from another.
 * @throws LayermillError `SCHEDULES_ELSEWHERE`
 */
export async function claimPlace(broker: Broker, store: ScheduleStore, given: boolean): Promise<void> {
  const id = await store.id()
  const known = await readPlace(broker)
  if (known !== undefined && known.id !== id && !given) {
    throw new LayermillError('SCHEDULES_ELSEWHERE', `the schedules of ${broker.describe()} are kept at ${known.url}`, {
      hint: `start with --state ${known.url}`,
    })
  }
  if (known?.id !== id || known.url !== store.store.url) await writePlace(broker, { url: store.store.url, id })
}

/** Whether the queue's schedules are (still) kept in this store; a queue that was wiped says nothing, and is told again. */
export async function holdsPlace(broker: Broker, store: ScheduleStore): Promise<boolean> {
  const known = await readPlace(broker)
  const id = await store.id()
  if (known === undefined) await writePlace(broker, { url: store.store.url, id })
  return known === undefined || known.id === id
}

/**
 * Opens the schedules of a queue where it says that they are.
 * @throws LayermillError `SCHEDULES_ELSEWHERE` where it says nothing, or where they cannot be reached from here
 */
export async function findSchedules(broker: Broker, openStore: (url: string) => Promise<Store>): Promise<ScheduleStore> {
  const known = await readPlace(broker)
  if (known === undefined) {
    throw new LayermillError('SCHEDULES_ELSEWHERE', `${broker.describe()} has no orchestrator that keeps schedules`, {
      hint: 'start layermill serve, which carries them out; --state says where it keeps them',
    })
  }
  const store = new ScheduleStore(await openStore(known.url))
  const id = await store.knownId().catch((error: unknown) => errorMessage(error))
  if (id === known.id) return store
  await store.store.close()
  throw new LayermillError('SCHEDULES_ELSEWHERE', `the schedules are kept at ${known.url}, which is not there on this machine`, {
    hint: 'use --server, or let layermill serve keep them in a bucket: --state s3://bucket/layermill',
  })
}
