import { type Broker, type GradientJob, type JobWorker, type JobWorkerOptions, queueNames, toJobError } from '@layermill/jobs'
import type { GradientJobResult, GradientProcessor } from './gradient-processor.js'

/** A step waits for its slowest micro-batch, so a worker that is gone must be noticed sooner than with parts. */
const defaults = { concurrency: 2, lockDuration: 15_000, stalledInterval: 5000 } as const

/** Takes gradient jobs off the broker's queue until it is closed. Two at once, so that reading the next hides behind computing this one. */
export function startGradientWorker(
  broker: Broker,
  processor: GradientProcessor,
  options: JobWorkerOptions = {},
): JobWorker<GradientJob, GradientJobResult> {
  const never = new AbortController().signal
  return broker.worker<GradientJob, GradientJobResult>(
    queueNames.gradients,
    async (job, _token, signal) => {
      try {
        return await processor.process(job.data, signal ?? never)
      } catch (error) {
        throw toJobError(error)
      }
    },
    { ...defaults, ...options },
  )
}
