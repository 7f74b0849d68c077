import { type PartJob, type PartResult, queueNames, readPayload } from '@layermill/contracts'
import type { Broker, JobWorker } from '@layermill/queue'
import { type Guard, GuardedWork } from './fitness/guarded.js'
import type { PartProcessor } from './part-processor.js'

export interface PartWorkerOptions {
  /** Parts at once: two, so that reading the next one hides behind computing this one. */
  concurrency?: number
  /** Least time between two reports of progress of a part, in milliseconds. Default 500. */
  progressInterval?: number
  /** Milliseconds after which another worker takes over the parts of one that is gone. Default 60 s. */
  lockDuration?: number
  /** Tells the worker's own faults from those of runs and images, where there may be other workers. */
  guard?: Guard
}

/** Processor of parts, as a worker needs it. */
export type WorkerProcessor = Pick<PartProcessor, 'process'> & Partial<Pick<PartProcessor, 'probe'>>

/** At most one call an interval, the newest value each time. */
export function throttled<Value>(interval: number, call: (value: Value) => void): (value: Value) => void {
  let last = -Infinity
  return value => {
    const time = performance.now()
    if (time - last < interval) return
    last = time
    call(value)
  }
}

/**
 * Takes parts off the broker's queue until it is closed. Errors keep their code; those that cannot be mended are not tried again, and the
 * worker's own go to another worker where it has a guard. A part that is stopped (`cancelAllJobs`) goes back to the queue; one whose lock
 * was lost is dropped: another worker has it.
 */
export function startPartWorker(
  broker: Broker,
  processor: WorkerProcessor,
  options: PartWorkerOptions = {},
): JobWorker<PartJob, PartResult> {
  const { concurrency = 2, progressInterval = 500, lockDuration = 60_000 } = options
  const never = new AbortController().signal
  const guarded = new GuardedWork<PartJob, PartResult>(queueNames.parts, options.guard, data => readPayload('part', data))
  const worker = broker.worker<PartJob, PartResult>(
    queueNames.parts,
    async (job, token, signal) => {
      // Progress is for people: a report that is lost is not missed.
      const report = throttled<PartResult & { readonly total: number }>(
        progressInterval,
        result => void job.updateProgress({ ...result }).catch(() => undefined),
      )
      return guarded.do({
        job,
        token,
        signal,
        work: async () => processor.process(job.data, report, signal ?? never),
        probe: async () => processor.probe?.(job.data),
      })
    },
    { concurrency, lockDuration, stalledInterval: lockDuration / 2 },
  )
  guarded.attach(broker, worker)
  worker.on('lockRenewalFailed', ids => ids.forEach(id => worker.cancelJob(id, 'the lock was lost')))
  return worker
}
