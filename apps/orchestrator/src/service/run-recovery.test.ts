import { type ExtractSpec, parseSpec, runPath, type RunJob, type RunRecord } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { runIdentity } from '../run/identity.js'
import type { RunQueue } from './run-jobs.js'
import { RunRecovery } from './run-recovery.js'

const spec = parseSpec({ kind: 'extract', source: '/photos', out: '/out', model: 'vgg16', layers: ['fc7'], overwrite: true }) as ExtractSpec
const data: RunJob = { v: 1, run: 'r1', store: '/out', spec }

/** A queue as far as recovery asks it. */
class FakeQueue {
  readonly jobs = new Map<string, { data: RunJob; state: string }>()

  getJobs = async ([state]: readonly string[]): Promise<unknown[]> =>
    [...this.jobs].filter(([, job]) => job.state === state).map(([id, job]) => ({ id, data: job.data }))
  getJob = async (id: string): Promise<unknown> => {
    const job = this.jobs.get(id)
    return job === undefined ? undefined : { id, data: job.data, getState: async () => job.state }
  }
  add = async (_name: string, job: RunJob, options: { jobId: string }): Promise<void> =>
    void this.jobs.set(options.jobId, { data: job, state: 'waiting' })
}

/** Looks at a queue with one run, loses its data, and looks again. */
async function lost(record: RunRecord | undefined, change: (queue: FakeQueue) => void = ({ jobs }) => jobs.clear()) {
  const queue = new FakeQueue()
  queue.jobs.set('r1', { data, state: 'active' })
  const store = new MemoryStore()
  if (record !== undefined) await store.put(runPath, JSON.stringify(record))
  const notes: string[] = []
  const recovery = new RunRecovery(queue as unknown as RunQueue, { openStore: async () => store, note: text => notes.push(text) })
  await recovery.look()
  change(queue)
  await recovery.look()
  return { queue, notes, recovery }
}

function recordOf(state: RunRecord['state'], id = 'r1', created = '2026-01-01T00:00:00.000Z'): RunRecord {
  const identity = runIdentity({ spec, network: getNetwork('vgg16'), weightsSha256: 'a'.repeat(64), preparationVersion: '1' })
  const counts = { images: 8, done: 8, failed: 0, parts: 1 }
  const sizes = { partSize: 8, batchSize: 8, planned: true, counts }
  return {
    version: 1,
    id,
    state,
    generation: 0,
    spec: { ...spec, overwrite: false },
    identity,
    layers: [],
    ...sizes,
    created,
    versions: {},
  }
}

it('queues a run again that the queue has lost: as it was asked for where it had not begun, else to go on', async () => {
  const { queue, notes } = await lost(undefined)
  expect(queue.jobs.get('r1')?.data).toEqual(data)
  expect(notes).toEqual(['run r1: the queue had lost it; it is queued again and goes on from /out'])
  expect((await lost(recordOf('running'))).queue.jobs.get('r1')?.data).toEqual({ ...data, resume: true })
})

it('lets those who follow a run know that it is done, where its job went before it could tell', async () => {
  const { queue } = await lost(recordOf('done'))
  // Nothing of what was asked for at first: the results must not be replaced once more.
  expect(queue.jobs.get('r1')?.data).toEqual({ v: 1, run: 'r1', store: '/out', resume: true })
})

it('leaves runs alone that were cancelled, that ended on the queue, or whose place another one has', async () => {
  expect((await lost(recordOf('cancelled'))).queue.jobs.size).toBe(0)
  expect((await lost(recordOf('done', 'r2', '2999-01-01T00:00:00.000Z'))).queue.jobs.size).toBe(0)
  const { queue, recovery } = await lost(recordOf('done'), ({ jobs }) => void (jobs.get('r1')!.state = 'completed'))
  expect(queue.jobs.get('r1')?.state).toBe('completed')
  // Forgotten: what the queue drops later is not missed.
  queue.jobs.clear()
  await recovery.look()
  expect(queue.jobs.size).toBe(0)
})
