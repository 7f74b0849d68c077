import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { makePayload, queueNames } from '@layermill/contracts'
import { openBroker } from '@layermill/queue'
import { type GradientJobResult, startGradientWorker } from './index.js'

const result: GradientJobResult = { samples: 1, loss: '0.5', correct: 1 }

describe('a gradient worker', () => {
  it('that is stopped in a micro-batch hands the job back at once, and another computes it', async () => {
    const broker = await openBroker(undefined)
    try {
      const events = new EventEmitter()
      const started = once(events, 'started')
      const never = new Promise<GradientJobResult>(() => undefined)
      const stuck = startGradientWorker(broker, {
        process: () => {
          events.emit('started')
          return never
        },
      })
      const queue = broker.queue(queueNames.gradients)
      const data = makePayload('gradient', { v: 1, run: 'r', session: 's', store: '/tmp', purpose: 'train', step: 0, micro: 0, version: 0 })
      await queue.add('train', data, { jobId: 'r_s_train_0_0' })
      await started
      // As a drain does: nothing new is taken, and what has not ended by the deadline is stopped. Resolves once no job is under way.
      const closed = stuck.close()
      stuck.cancelAllJobs('drained')
      await closed
      const finished = once(events, 'finished')
      const other = startGradientWorker(broker, { process: () => Promise.resolve(result) })
      other.on('completed', (job, value) => events.emit('finished', job.id, value))
      expect(await finished).toEqual(['r_s_train_0_0', result])
    } finally {
      await broker.close(1000)
    }
  })
})
