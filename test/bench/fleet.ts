import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openBroker } from '@layermill/queue'
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

async function startWorker(queue: string): Promise<BenchWorker> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./fleet-worker-step.js', import.meta.url)), queue], {
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
async function stopWorker({ child, lines }: BenchWorker): Promise<number> {
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

async function throughput(url: string, workers: number): Promise<string> {
  const redis = new Redis(url)
  await redis.flushall()
  const started = await Promise.all(Array.from({ length: workers }, () => startWorker(url)))
  const broker = await openBroker(url)
  const { record, environment, store } = await syntheticRun(images, async (run, at) => new BrokerPartQueue(broker, run, at.url))
  const before = await redisCpu(redis)
  const { seconds, cpuSeconds } = await cost(async () => {
    const done = await superviseRun(record, { environment, store, signal: new AbortController().signal })
    if (done.counts.done !== images) throw new Error(`${done.counts.done} of ${images} images done`)
  })
  const server = (await redisCpu(redis)) - before
  const workerSeconds = (await Promise.all(started.map(stopWorker))).reduce((sum, value) => sum + value, 0)
  await broker.close()
  redis.disconnect()
  const perImage = (value: number): string => `${((value * 1000) / images).toFixed(4)} ms`
  const all = cpuSeconds + server + workerSeconds
  return (
    `${workers} worker${workers === 1 ? ' ' : 's'}: ${Math.round(images / seconds).toLocaleString('en')} images/s, wall ${perImage(seconds)}/image, ` +
    `CPU ${perImage(all)}/image (planning and following ${perImage(cpuSeconds)}, Redis ${perImage(server)}, workers ${perImage(workerSeconds)})`
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
