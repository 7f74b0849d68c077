import { EventEmitter } from 'node:events'
import type { TrainingPlan } from '@layermill/contracts'
import type { Broker, Exchange } from '@layermill/queue'
import { expect, it } from 'vitest'
import { QueueGradients } from './queue-gradients.js'

interface FakeJob {
  readonly id: string
  readonly data: { readonly run: string }
}

/** A broker whose workers have some jobs under way, and never come to those that are added. */
function busyBroker() {
  const active: FakeJob[] = []
  let added: () => void = () => undefined
  const waiting = new Promise<void>(resolve => {
    added = resolve
  })
  const queue = {
    getJobs: async (states: readonly string[]) => (states.includes('active') && states.length === 1 ? active : []),
    addBulk: async () => added(),
  }
  const events = Object.assign(new EventEmitter(), { waitUntilReady: async () => undefined, close: async () => undefined })
  return { broker: { queue: () => queue, events: () => events } as unknown as Broker, active, waiting }
}

it('names the run whose micro-batches are before its own, while none of its own is under way', async () => {
  const { broker, active, waiting } = busyBroker()
  const exchange = { put: async () => 0, delete: async () => undefined, deleteBelow: async () => undefined } as unknown as Exchange
  const plan = { run: 'mine', exchange: 'float32', statistics: [] } as unknown as TrainingPlan
  const source = await QueueGradients.open({ broker, exchange, plan, storeUrl: '/out', session: 's', behindAfter: 0 })
  await source.publish({ version: 0, parameters: new Map(), statistics: new Map() })
  active.push({ id: 'other_t_train_3_1', data: { run: 'other' } })
  // It has asked for nothing yet.
  expect(await source.behind()).toBeUndefined()
  const stop = new AbortController()
  const step = source.gradients(0, 2, stop.signal)[Symbol.asyncIterator]().next()
  await waiting
  expect(await source.behind()).toBe('other')
  active.push({ id: 'mine_s_train_0_0', data: { run: 'mine' } })
  expect(await source.behind()).toBeUndefined()
  stop.abort(new Error('enough'))
  await expect(step).rejects.toThrow('enough')
  await source.close()
})
