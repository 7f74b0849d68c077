import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PartJob, queueNames, type RunRecord } from '@layermill/contracts'
import { type Broker, openBroker, toJobError } from '@layermill/queue'
import { LayermillError } from '@layermill/core'
import { BrokerPartQueue } from '@layermill/orchestrator/run'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'

type PartEvent = Parameters<Parameters<BrokerPartQueue['subscribe']>[0]>[0]

let redis: RedisService
let broker: Broker

// A server of its own: this worker would take the parts of other runs.
beforeAll(async () => {
  redis = await startRedis()
  broker = await openBroker(redis.url)
})
afterAll(async () => {
  await broker.close()
  await redis.stop()
})

/** A promise and what keeps it. */
function promised<Value>(): { readonly kept: Promise<Value>; readonly keep: (value: Value) => void } {
  let keep: (value: Value) => void = () => undefined
  const kept = new Promise<Value>(resolve => {
    keep = resolve
  })
  return { kept, keep }
}

// Only what the queue looks at.
const record = (id: string): RunRecord => ({ id, generation: 0, spec: { kind: 'extract' } }) as unknown as RunRecord

/** Part 0 fails at once; part 1 fails when it is told to, the first time; both succeed afterwards. */
function failingWorker() {
  const tries = new Map<number, number>()
  const told = promised<void>()
  const bothBegun = promised<void>()
  const worker = broker.worker<PartJob>(
    queueNames.parts,
    async job => {
      const { part } = job.data
      tries.set(part, (tries.get(part) ?? 0) + 1)
      if (tries.size === 2) bothBegun.keep()
      if (tries.get(part)! > 1) return { images: 8, failed: 0 }
      if (part === 1) await told.kept
      throw await toJobError(new LayermillError('STORE_FULL', 'cannot write features: no space is left'))
    },
    { concurrency: 2 },
  )
  return { worker, fail: told.keep, bothBegun: bothBegun.kept, tries }
}

it('a completed job whose event was lost stays on the queue, until its part is asked for again', async () => {
  const queue = new BrokerPartQueue(broker, record('unheard'), 'file:///features')
  let done = promised<void>()
  let runs = 0
  const worker = broker.worker<PartJob>(queueNames.parts, async () => ({ images: ++runs, failed: 0 }))
  worker.on('completed', () => done.keep())
  await queue.add([0])
  await done.kept
  // A part that was never added is missing too. Looking takes nothing away.
  expect(await queue.missing([0, 7])).toEqual([0, 7])
  const jobs = broker.queue<PartJob, { images: number }>(queueNames.parts)
  expect((await jobs.getJob('unheard_0_0'))?.returnvalue).toEqual({ images: 1, failed: 0 })
  done = promised<void>()
  await queue.again([0])
  await done.kept
  expect((await jobs.getJob('unheard_0_0'))?.returnvalue).toEqual({ images: 2, failed: 0 })
  await worker.close()
})

it('a run that goes on tries again what failed, or will fail, for what was so before', async () => {
  const run = 'adopted'
  const { worker, fail, bothBegun, tries } = failingWorker()
  const earlier = new BrokerPartQueue(broker, record(run), 'file:///features')
  const failed = promised<PartEvent>()
  const leave = earlier.subscribe(event => {
    if (event.kind === 'failed') failed.keep(event)
  })
  await earlier.add([0, 1])
  await bothBegun
  expect(await failed.kept).toMatchObject({ kind: 'failed', part: 0, code: 'STORE_FULL' })
  leave()

  // Part 0's failed job is still there, and part 1 is under way, about to fail for the disk of before.
  const later = new BrokerPartQueue(broker, record(run), 'file:///features')
  const seen: PartEvent[] = []
  const both = promised<void>()
  await later.adopt()
  const end = later.subscribe(event => {
    seen.push(event)
    if (seen.length === 2) both.keep()
  })
  await later.add([0, 1])
  fail()
  await both.kept
  end()
  await worker.close()
  expect(seen.map(({ kind, part }) => `${kind} ${part}`).toSorted()).toEqual(['completed 0', 'completed 1'])
  expect(Object.fromEntries(tries)).toEqual({ 0: 2, 1: 2 })
})
