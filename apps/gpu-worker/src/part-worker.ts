import { type Broker, type JobWorker, type PartJob, queueNames, toJobError } from '@layermill/jobs'
import type { PartResult } from './part/compute-part.js'
import type { PartProcessor } from './part-processor.js'

export interface PartWorkerOptions {
  /** Parts at once: two, so that reading the next one hides behind computing this one. */
  concurrency?: number
  /** Least time between two reports of progress of a part, in milliseconds. Default 500. */
  progressInterval?: number
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

/** Takes parts off the broker's queue until it is closed. Errors keep their code; those that cannot be mended are not tried again. */
export function startPartWorker(broker: Broker, processor: PartProcessor, options: PartWorkerOptions = {}): JobWorker<PartJob, PartResult> {
  const { concurrency = 2, progressInterval = 500 } = options
  const never = new AbortController().signal
  return broker.worker<PartJob, PartResult>(
    queueNames.parts,
    async (job, _token, signal) => {
      // Progress is for people: a report that is lost is not missed.
      const report = throttled<PartResult>(progressInterval, result => void job.updateProgress({ ...result }).catch(() => undefined))
      try {
        return await processor.process(job.data, report, signal ?? never)
      } catch (error) {
        throw toJobError(error)
      }
    },
    { concurrency },
  )
}
