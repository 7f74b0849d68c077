import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Broker, openBroker } from '@layermill/queue'
import { BrokerPartQueue, superviseRun } from '@layermill/orchestrator/run'
import { Redis } from 'ioredis'
import { linesOf, nextLine, startService } from './service.js'
import { syntheticRun } from './fleet-world.js'
import { cost, inProcess } from './measure.js'

const images = 512 * 2000
const planned = 10_000_000

interface BenchWorker {
  readonly child: ChildProcess
  readonly lines: AsyncIterator<string>
}

/** A worker in a process of its own. @param partMs milliseconds that it takes over a part */
export async function startWorker(queue: string, partMs = 0): Promise<BenchWorker> {
  const step = fileURLToPath(new URL('./fleet-worker-step.js', import.meta.url))
  const child = spawn(process.execPath, [step, queue, String(partMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = linesOf(child.stdout)
  if ((await nextLine(lines)) !== 'ready') throw new Error('a worker did not start')
  return { child, lines }
}

/** Redis in a process of its own. */
export async function startRedis(): Promise<{ url: string; stop: () => Promise<unknown> }> {
  const { described, stop } = await startService<{ url: string }>('redis')
  return { url: described.url, stop }
}

/** Ends a worker and returns the CPU seconds that it took. */
export async function stopWorker({ child, lines }: BenchWorker): Promise<number> {
  child.stdin?.end()
  const line = await nextLine(lines)
  if (child.exitCode === null) await once(child, 'exit')
  return (JSON.parse(line) as { cpuSeconds: number }).cpuSeconds
}

/** CPU seconds that the server has taken so far. */
async function redisCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  return Number(/used_cpu_sys:([\d.]+)/.exec(info)?.[1]) + Number(/used_cpu_user:([\d.]+)/.exec(info)?.[1])
}

/** Seconds of a run's parts on a queue. */
export interface Throughput {
  readonly wall: number
  /** CPU of all processes, and of each. */
  readonly cpu: number
  readonly planning: number
  readonly server: number
  readonly workers: number
}

/** Carries out a run of synthetic images with workers that compute nothing. @param on the broker that the run's queue is on */
export async function throughputOf(url: string, workers: number, count: number, on: (broker: Broker) => Broker): Promise<Throughput> {
  const redis = new Redis(url)
  await redis.flushall()
  const started = await Promise.all(Array.from({ length: workers }, () => startWorker(url)))
  const broker = await openBroker(url)
  const { record, environment, store } = await syntheticRun(count, async (run, at) => new BrokerPartQueue(on(broker), run, at.url))
  const before = await redisCpu(redis)
  const { seconds, cpuSeconds } = await cost(async () => {
    const done = await superviseRun(record, { environment, store, signal: new AbortController().signal })
    if (done.counts.done !== count) throw new Error(`${done.counts.done} of ${count} images done`)
  })
  const server = (await redisCpu(redis)) - before
  const workerSeconds = (await Promise.all(started.map(stopWorker))).reduce((sum, value) => sum + value, 0)
  await broker.close()
  redis.disconnect()
  return { wall: seconds, cpu: cpuSeconds + server + workerSeconds, planning: cpuSeconds, server, workers: workerSeconds }
}

async function throughput(url: string, workers: number): Promise<string> {
  const found = await throughputOf(url, workers, images, broker => broker)
  const perImage = (value: number): string => `${((value * 1000) / images).toFixed(4)} ms`
  return (
    `${workers} worker${workers === 1 ? ' ' : 's'}: ${Math.round(images / found.wall).toLocaleString('en')} images/s, ` +
    `wall ${perImage(found.wall)}/image, CPU ${perImage(found.cpu)}/image (planning and following ${perImage(found.planning)}, ` +
    `Redis ${perImage(found.server)}, workers ${perImage(found.workers)})`
  )
}

/** Queue cost with workers that compute nothing, and planning of ten million keys from a listing stub. */
export async function benchFleet(): Promise<void> {
  const redis = await startRedis()
  try {
    for (const workers of [1, 2, 4, 8]) console.log(await throughput(redis.url, workers))
  } finally {
    await redis.stop()
  }
  console.log('at part size 512, at most 0.2 ms CPU an image')
  const plan = await inProcess<{
    seconds: number
    cpuSeconds: number
    parts: number
    puts: number
    written: number
    half: number
    peak: number
  }>('./fleet-plan-step.js', String(planned))
  console.log(
    `planning ${planned.toLocaleString('en')} keys: ${Math.round(planned / plan.seconds).toLocaleString('en')} keys/s, ${plan.parts.toLocaleString('en')} parts, ` +
      `${Math.round(plan.written / 1e6)} MB of manifests in ${plan.puts} writes; memory at most ${plan.half} MB in the first half, ${plan.peak} MB in all (at most 250)`,
  )
}
