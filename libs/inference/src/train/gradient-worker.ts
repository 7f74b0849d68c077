import { once } from 'node:events'
import { type GradientJob, queueNames, readPayload } from '@layermill/contracts'
import type { Broker, JobWorker, JobWorkerOptions } from '@layermill/queue'
import { type Guard, GuardedWork } from '../fitness/guarded.js'
import type { GradientJobResult, GradientProcessor } from './gradient-processor.js'

/** A step waits for its slowest micro-batch, so a worker that is gone must be noticed sooner than with parts. */
const defaults = { concurrency: 2, lockDuration: 15_000, stalledInterval: 5000 } as const

/** The work's result, or the signal's reason as soon as it is aborted: the runtime cannot be stopped within a micro-batch. */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  work.catch(() => undefined)
  const stop = new AbortController()
  const aborted = once(signal, 'abort', { signal: stop.signal }).then(
    () => signal.throwIfAborted(),
    () => undefined,
  )
  try {
    return await Promise.race([work, aborted.then(() => work)])
  } finally {
    stop.abort()
  }
}

/**
 * Takes gradient jobs off the broker's queue until it is closed. Two at once, so that reading the next hides behind computing this one. One
 * that is stopped (`cancelAllJobs`) goes back to the queue at once, without waiting for its gradients or its lock.
 */
export function startGradientWorker(
  broker: Broker,
  processor: Pick<GradientProcessor, 'process'> & Partial<Pick<GradientProcessor, 'probe'>>,
  { guard, ...options }: JobWorkerOptions & { readonly guard?: Guard } = {},
): JobWorker<GradientJob, GradientJobResult> {
  const never = new AbortController().signal
  const guarded = new GuardedWork<GradientJob, GradientJobResult>(queueNames.gradients, guard, data => readPayload('gradient', data))
  const worker = broker.worker<GradientJob, GradientJobResult>(
    queueNames.gradients,
    // A default value would make it a function of two parameters, which the queue gives no signal.
    async (job, token, given) => {
      const signal = given ?? never
      return guarded.do({
        job,
        token,
        signal,
        work: async () => {
          signal.throwIfAborted()
          return unlessAborted(processor.process(job.data, signal), signal)
        },
        probe: async () => processor.probe?.(job.data),
        // All images were looked at before training began: one that cannot be read now may be there for others.
        isOwnFault: failure => failure.scope === 'image',
      })
    },
    { ...defaults, ...options },
  )
  guarded.attach(broker, worker)
  return worker
}
