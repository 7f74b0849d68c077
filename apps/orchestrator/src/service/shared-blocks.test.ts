import { type AnalysisJob, queueNames } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type Broker, openBroker } from '@layermill/queue'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { startAnalysisWorker } from './analyses.js'
import { QueueBlocks, type SharedComparison } from './shared-blocks.js'

let broker: Broker
beforeAll(async () => {
  broker = await openBroker()
})
afterAll(() => broker?.close())
beforeEach(() => broker.queue(queueNames.analyses).obliterate({ force: true }))

const comparison: SharedComparison = {
  run: 'sets-1',
  store: '/data/out',
  blocks: 4,
  sets: [{ place: '/data/a', written: './a' }, { place: 's3://bucket/b' }],
  compare: { measures: ['rsa'], folds: 3, penalties: [0.5], memory: 1e6, targets: '/data/t.npy' },
}

it('gives blocks to servers, with the folder that the command named, and tells how they stand', async () => {
  const blocks = new QueueBlocks(broker, comparison)
  expect(await blocks.look([0, 1])).toEqual([{ state: 'gone' }, { state: 'gone' }])
  await blocks.offer([0, 1, 2])
  expect(await blocks.look([0, 1, 2])).toEqual([{ state: 'waiting' }, { state: 'waiting' }, { state: 'waiting' }])
  const begun: (AnalysisJob & { out: string })[] = []
  const said: string[] = []
  let end = (): void => undefined
  const worker = startAnalysisWorker(broker, {
    note: text => void said.push(text),
    carryOut: async job => {
      begun.push(job)
      if (job.block === 1) throw new LayermillError('RUN_MISSING', '/data/a: no run', { hint: 'look elsewhere' })
      if (job.block === 2) await new Promise<void>(resolve => (end = resolve))
    },
  })
  await expect.poll(() => begun.length).toBe(3)
  expect(begun[0]).toEqual({ v: 1, kind: 'compare', others: [], ...comparison, block: 0, out: '/data/out' })
  expect(said).toContain('compare for /data/out, block 1 of 4: done')
  expect(await blocks.look([0, 1, 2])).toEqual([
    { state: 'ended' },
    { state: 'ended', failed: { code: 'RUN_MISSING', message: '/data/a: no run', hint: 'look elsewhere' } },
    { state: 'taken' },
  ])
  // One that a server has is nobody else's; those that are past can be taken off.
  expect(await Promise.all([0, 1, 2, 3].map(block => blocks.take(block)))).toEqual([true, true, false, true])
  expect(await blocks.look([0, 1, 2])).toEqual([{ state: 'gone' }, { state: 'gone' }, { state: 'taken' }])
  end()
  await expect.poll(() => blocks.look([2])).toEqual([{ state: 'ended' }])
  await worker.close()
})

it('takes a block off the queue for good, and one that is offered again only where it is past', async () => {
  const blocks = new QueueBlocks(broker, comparison)
  await blocks.offer([0, 1])
  expect(await blocks.take(1)).toBe(true)
  await blocks.offer([0])
  const begun: (number | undefined)[] = []
  const worker = startAnalysisWorker(broker, { carryOut: ({ block }) => Promise.resolve(void begun.push(block)) })
  await expect.poll(() => blocks.look([0, 1])).toEqual([{ state: 'ended' }, { state: 'gone' }])
  await blocks.offer([0])
  await expect.poll(() => begun).toEqual([0, 0])
  await worker.close()
})

it('takes over the block of a process that is gone', async () => {
  const blocks = new QueueBlocks(broker, comparison)
  await blocks.offer([0])
  const gone = broker.worker(queueNames.analyses, () => new Promise<void>(() => undefined), { lockDuration: 1000, lockRenewTime: 500 })
  await expect.poll(() => blocks.look([0])).toEqual([{ state: 'taken' }])
  expect(await blocks.take(0)).toBe(false)
  await gone.abandon()
  await expect.poll(() => blocks.take(0)).toBe(true)
  expect(await blocks.look([0])).toEqual([{ state: 'gone' }])
})

it('refuses credentials and what is too large for a job before anything is queued', async () => {
  const of = (sets: SharedComparison['sets']) => (): QueueBlocks => new QueueBlocks(broker, { ...comparison, sets })
  expect(of([{ place: 's3://key:hunter2@bucket/a' }])).toThrow(
    /sets\[0\].place: got "s3:\/\/\*\*\*@bucket\/a".*expected a URL without credentials/,
  )
  expect(of([{ place: '/a', written: 's3://key:hunter2@bucket/a' }])).toThrow(/sets\[0\].written: got "s3:\/\/\*\*\*@bucket\/a"/)
  expect(of(Array.from({ length: 300 }, (_, i) => ({ place: `/data/${'x'.repeat(60)}-${i}` })))).toThrow(/expected at most 16384/)
  expect(await broker.counts(queueNames.analyses)).toMatchObject({ waiting: 0 })
})
