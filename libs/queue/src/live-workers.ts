import type { Broker } from './broker.js'
import { beatTimeout, queueNames, readBeat, type WorkerBeat } from '@layermill/contracts'

/** The workers of a queue that were heard of lately, by their heartbeats. */
export async function liveWorkers(broker: Pick<Broker, 'queue'>, now: number = Date.now()): Promise<WorkerBeat[]> {
  const jobs = await broker.queue<WorkerBeat>(queueNames.workers).getJobs(['waiting'])
  return jobs
    .map(job => readBeat(job?.data))
    .filter(beat => beat !== undefined)
    .filter(({ seen }) => now - Date.parse(seen) < beatTimeout)
}
