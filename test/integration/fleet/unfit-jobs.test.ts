import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGradientWorker, startPartWorker, WorkerFitness } from '@layermill/inference'
import { type GradientJob, type PartJob, queueNames } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { LayermillError } from '@layermill/core'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'
import { until } from '../../helpers/watch.js'

type PartProcessor = Parameters<typeof startPartWorker>[1]

let redis: RedisService
const brokers: Broker[] = []

// Servers of their own: these workers would take the parts of other runs.
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  await Promise.all(brokers.map(broker => broker.close(2000)))
  await redis.stop()
})

async function open(url: string): Promise<Broker> {
  const broker = await openBroker(url)
  brokers.push(broker)
  return broker
}

const part = (
  run: string,
  number: number,
  more: Record<string, unknown> = {},
): { name: string; data: PartJob; opts: { jobId: string } } => ({
  name: 'extract',
  data: { v: 1, run, store: `/out/${run}`, part: number, generation: 0, ...more },
  opts: { jobId: `${run}_0_${number}` },
})

/** A processor that cannot reach one run's place, and how often it tried. */
function without(run: string, has: { reach: boolean }) {
  const tried = { parts: 0, probes: 0 }
  const done: string[] = []
  const look = (data: unknown): PartJob => {
    const job = data as PartJob
    if (job.run === run && !has.reach) throw new LayermillError('SOURCE_MISSING', '/photos does not exist here')
    return job
  }
  const processor: PartProcessor = {
    process: async data => {
      tried.parts += 1
      const job = look(data)
      done.push(`${job.run}_${job.part}`)
      return { images: 1, failed: 0 }
    },
    probe: async data => {
      tried.probes += 1
      look(data)
    },
  }
  return { processor, tried, done }
}

const quick = (): WorkerFitness => new WorkerFitness({ firstProbe: 50, mostBetweenProbes: 200 })

const states = async (broker: Broker, run: string, count: number): Promise<string[]> =>
  Promise.all(
    Array.from(
      { length: count },
      async (_, number) => (await (await broker.queue(queueNames.parts).getJob(`${run}_0_${number}`))?.getState()) ?? 'gone',
    ),
  )

// The embedded queue is PostgreSQL's backend, in this process.
describe.each(['redis', 'embedded'])('a worker on %s that is unfit for a run', kind => {
  it('leaves its jobs as they are, finds those of another run behind them, and takes it up once the reason is gone', async () => {
    const broker = await open(kind === 'redis' ? redis.url : 'embedded')
    const queue = broker.queue<PartJob>(queueNames.parts)
    await queue.addBulk([...Array.from({ length: 150 }, (_, i) => part('blocked', i)), part('open', 0), part('open', 1), part('open', 2)])
    const has = { reach: false }
    const { processor, tried, done } = without('blocked', has)
    const fitness = quick()
    const worker = startPartWorker(broker, processor, { guard: { fitness } })
    await until(async () => done.length === 3, "the other run's parts are done")
    expect(done.toSorted()).toEqual(['open_0', 'open_1', 'open_2'])
    expect(fitness.list).toMatchObject([{ run: 'blocked', code: 'SOURCE_MISSING', trial: false }])
    expect(new Set(await states(broker, 'blocked', 150))).toEqual(new Set(['waiting']))
    expect((await queue.getJob('blocked_0_0'))?.attemptsMade).toBe(0)
    // It looks, and does not take: two at most were taken before it knew.
    expect(tried.parts - done.length).toBeLessThanOrEqual(2)
    await until(async () => tried.probes >= 2, 'it looks again')

    has.reach = true
    await until(async () => done.length === 153, 'all parts are done')
    expect(fitness.list).toEqual([])
    expect(new Set(done).size).toBe(153)
    await worker.close()
    fitness.close()
  })

  it('leaves jobs of a later version to a worker of that version, and does all others of their run itself', async () => {
    const broker = await open(kind === 'redis' ? redis.url : 'embedded')
    const queue = broker.queue<PartJob>(queueNames.parts)
    const fitness = quick()
    const handedBack: string[] = []
    const done: string[] = []
    const ours = startPartWorker(
      broker,
      {
        process: async data => {
          done.push(`${(data as PartJob).run}_${(data as PartJob).part}`)
          return { images: 1, failed: 0 }
        },
      },
      { guard: { fitness, onFailed: ({ job, code, outcome }) => handedBack.push(`${job} ${code} ${outcome}`) } },
    )
    const own = Array.from({ length: 20 }, (_, i) => part('later', i + 2))
    await queue.addBulk([part('later', 0, { v: 2, tiles: [1, 2] }), part('later', 1, { tiles: [3] }), ...own, part('now', 0)])
    await until(async () => done.length === 21, 'this version does what it knows')
    expect(new Set(done)).toEqual(new Set([...own.map(({ data }) => `later_${data.part}`), 'now_0']))
    // Said of the jobs, not of their run: other workers count on this one for the rest.
    expect(fitness.list).toMatchObject([{ run: 'later', code: 'PAYLOAD_INVALID', job: expect.stringMatching(/^later_0_[01]$/) as string }])
    // Both were taken, twice at most, before it knew what to look past; none for each job done.
    expect(handedBack.length).toBeLessThanOrEqual(4)
    expect(new Set(handedBack.map(text => text.replace(/^later_0_[01] /, '')))).toEqual(new Set(['PAYLOAD_INVALID handed back']))
    expect(new Set(await states(broker, 'later', 2))).toEqual(new Set(['waiting']))
    expect((await queue.getJob('later_0_0'))?.attemptsMade).toBe(0)
    const known: unknown[] = []
    const theirs = broker.worker<PartJob>(queueNames.parts, async job => {
      known.push(job.data)
      return { images: 1, failed: 0 }
    })
    await until(async () => (await states(broker, 'later', 2)).every(state => state === 'completed'), 'the later version does the rest')
    expect(known).toEqual(
      expect.arrayContaining([expect.objectContaining({ v: 2, tiles: [1, 2] }), expect.objectContaining({ tiles: [3] })]),
    )
    await Promise.all([ours.close(), theirs.close()])
    fitness.close()
  })

  it('keeps no attempt of a gradient job, and another worker does it', async () => {
    const broker = await open(kind === 'redis' ? redis.url : 'embedded')
    const queue = broker.queue<GradientJob>(queueNames.gradients)
    const fitness = quick()
    const missing = (): never => {
      throw new LayermillError('IMAGE_MISSING', 'a.jpg: /photos/a.jpg does not exist')
    }
    const unfit = startGradientWorker(broker, { process: async () => missing(), probe: async () => missing() }, { guard: { fitness } })
    await queue.add(
      'train',
      { v: 1, run: 'tuned', store: '/out/tuned', purpose: 'train', session: '0', step: 0, micro: 0, version: 0 },
      { jobId: 'tuned_0_train_0_0' },
    )
    await until(async () => fitness.list.length === 1, 'it is unfit')
    expect((await queue.getJob('tuned_0_train_0_0'))?.attemptsMade).toBe(0)
    const fit = startGradientWorker(broker, { process: async () => ({ samples: 1, loss: '0', correct: 1 }) })
    await until(async () => (await queue.getJobState('tuned_0_train_0_0')) === 'completed', 'another does it')
    await Promise.all([unfit.close(), fit.close()])
    fitness.close()
  })
})
