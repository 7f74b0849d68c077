import { queueNames } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { BrokerPartQueue, superviseRun } from '@layermill/orchestrator/run'
import { startRedis, startWorker, stopWorker, throughputOf, type Throughput } from './fleet.js'
import { syntheticRun } from './fleet-world.js'
import { median } from './measure.js'

const images = 512 * 2000
const rounds = 3
/** Milliseconds of a part in the trial of a small run beside a large one. */
const partMs = 200

/** The same queue with jobs in the order in which they come: no turn is asked for and none is given. */
function inOrderOfComing(broker: Broker): Broker {
  return new Proxy(broker, {
    get(target, name) {
      if (name !== 'queue') {
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      }
      return (...args: Parameters<Broker['queue']>) => {
        const queue = target.queue(...args)
        return new Proxy(queue, {
          get(inner, key) {
            if (key === 'getJobs') return () => Promise.resolve([])
            if (key === 'addBulk')
              return (jobs: Parameters<typeof inner.addBulk>[0]) =>
                inner.addBulk(jobs.map(({ opts, ...job }) => ({ ...job, opts: { ...opts, priority: 0 } })))
            const value: unknown = Reflect.get(inner, key)
            return typeof value === 'function' ? (value.bind(inner) as unknown) : value
          },
        })
      }
    },
  })
}

/** Seconds from the start of a run of one part beside one of 400 until it is done, with two workers. */
async function smallBesideLarge(url: string): Promise<number> {
  const workers = await Promise.all([startWorker(url, partMs), startWorker(url, partMs)])
  const broker = await openBroker(url)
  const queue = async (run: ConstructorParameters<typeof BrokerPartQueue>[1], at: { url: string }): Promise<BrokerPartQueue> =>
    new BrokerPartQueue(broker, run, at.url)
  const stop = new AbortController()
  const large = await syntheticRun(512 * 400, queue)
  const running = superviseRun(large.record, { environment: large.environment, store: large.store, signal: stop.signal })
  // The large run has filled its window of jobs and is being worked on.
  while ((await broker.queue(queueNames.parts).getJobCounts('prioritized'))['prioritized'] === 0) await new Promise(setImmediate)
  const start = performance.now()
  const small = await syntheticRun(40, queue)
  await superviseRun(small.record, { environment: small.environment, store: small.store, signal: new AbortController().signal })
  const seconds = (performance.now() - start) / 1000
  stop.abort()
  await running.catch(() => undefined)
  await Promise.all(workers.map(stopWorker))
  await broker.close()
  return seconds
}

/** Cost of turns between runs: the same run with and without them, alternating; and how long a small run waits for a large one. */
export async function benchTurns(): Promise<void> {
  const redis = await startRedis()
  try {
    const found: { with: Throughput; without: Throughput }[] = []
    for (let i = 0; i < rounds; i++) {
      const without = await throughputOf(redis.url, 2, images, inOrderOfComing)
      found.push({ with: await throughputOf(redis.url, 2, images, broker => broker), without })
    }
    const ratio = (of: (side: Throughput) => number): string => median(found.map(pair => of(pair.with) / of(pair.without))).toFixed(3)
    console.log(
      `${images / 512} parts, 2 workers that compute nothing, turns against none: ${ratio(({ cpu }) => cpu)} of the CPU, ` +
        `${ratio(({ wall }) => wall)} of the time (median of ${rounds})`,
    )
    const parts = median(found.map(pair => (pair.with.cpu - pair.without.cpu) / (images / 512))) * 1000
    console.log(
      `that is ${parts.toFixed(3)} ms of CPU a part, at most 3% of parts that take ${Math.max(0, parts / 0.03).toFixed(1)} ms or more`,
    )
    const seconds = await smallBesideLarge(redis.url)
    console.log(`a run of 40 images beside one of 400 parts of ${partMs} ms: done after ${seconds.toFixed(2)} s`)
  } finally {
    await redis.stop()
  }
}
