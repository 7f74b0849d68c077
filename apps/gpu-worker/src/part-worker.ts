import { type Broker, handBack, type JobWorker, type PartJob, queueNames, toJobError } from '@layermill/jobs'
import type { PartResult } from './part/compute-part.js'
import type { PartProcessor } from './part-processor.js'

export interface PartWorkerOptions {
  /** Parts at once: two, so that reading the next one hides behind computing this one. */
  concurrency?: number
  /** Least time between two reports of progress of a part, in milliseconds. Default 500. */
  progressInterval?: number
  /** Milliseconds after which another worker takes over the parts of one that is gone. Default 60 s. */
  lockDuration?: number
}

/** At most one call an interval, the newest value each time. */
function throttled<Value>(interval: number, call: (value: Value) => void): (value: Value) => void {
  let last = -Infinity
  return value => {
    const time = performance.now()
    if (time - last < interval) return
    last = time
    call(value)
  }
}

/**
 * Takes parts off the broker's queue until it is closed. Errors keep their code; those that cannot be mended are not tried again. A part
 * that is stopped (`cancelAllJobs`) goes back to the queue; one whose lock was lost is dropped: another worker has it.
 */
export function startPartWorker(broker: Broker, processor: Pick<PartProcessor, 'process'>, options: PartWorkerOptions = {}): JobWorker<PartJob, PartResult> {
  const { concurrency = 2, progressInterval = 500, lockDuration = 60_000 } = options
  const never = new AbortController().signal
  const worker = broker.worker<PartJob, PartResult>(
    queueNames.parts,
    async (job, token, signal) => {
      // Progress is for people: a report that is lost is not missed.
      const report = throttled<PartResult & { readonly total: number }>(progressInterval, result => void job.updateProgress({ ...result }).catch(() => undefined))
      try {
        return await processor.process(job.data, report, signal ?? never)
      } catch (error) {
        if (signal?.aborted === true) return await handBack(job, token)
        throw await toJobError(error)
      }
    },
    { concurrency, lockDuration, stalledInterval: lockDuration / 2 },
  )
  worker.on('lockRenewalFailed', ids => ids.forEach(id => worker.cancelJob(id, 'the lock was lost')))
  return worker
}
