import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TrainingPlan } from '@layermill/contracts'
import { openBroker, openExchange } from '@layermill/queue'
import type { Tensor } from '@layermill/core'
import { QueueGradients } from '@layermill/orchestrator/train'
import { GradientSum } from '@layermill/training'
import { Redis } from 'ioredis'
import { startRedis } from './fleet.js'

const sizes = [10, 100, 500]
const workers = 2
/** Micro-batches of a step: two for each worker. */
const micros = 4
const steps = 4

async function startWorker(url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./train-exchange-step.js', import.meta.url)), url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  return child
}

/** Tensors of so many megabytes in all, each of at most 10. */
function tensorsOf(megabytes: number): Map<string, Tensor> {
  const length = 2_500_000
  return new Map(
    Array.from({ length: megabytes / 10 }, (_, i) => [`layer${i}/W`, { shape: [length], data: new Float32Array(length).fill(i + 0.5) }]),
  )
}

async function redisMemory(redis: Redis): Promise<number> {
  return Number(/used_memory_peak:(\d+)/.exec(await redis.info('memory'))?.[1])
}

async function exchangeOf(url: string, megabytes: number): Promise<string> {
  const redis = new Redis(url)
  await redis.flushall()
  await redis.config('RESETSTAT')
  const broker = await openBroker(url)
  // All that the coordinator reads of a plan.
  const plan = { run: `bench-${megabytes}`, statistics: [], exchange: 'float32' } as unknown as TrainingPlan
  const source = await QueueGradients.open({ broker, exchange: openExchange(broker.blobs), plan, storeUrl: '/bench', session: 's' })
  const parameters = tensorsOf(megabytes)
  let peak = 0
  const times: number[] = []
  for (let step = 0; step < steps; step++) {
    const start = performance.now()
    await source.publish({ version: step, parameters, statistics: new Map() })
    const sum = new GradientSum()
    let index = 0
    for await (const part of source.gradients(step, micros, new AbortController().signal)) {
      await sum.add(index++, part)
      peak = Math.max(peak, process.memoryUsage().rss)
    }
    await sum.mean()
    times.push((performance.now() - start) / 1000)
  }
  await source.close()
  const left = (await redis.keys('*train/*')).length
  const memory = await redisMemory(redis)
  await broker.close()
  redis.disconnect()
  const each = Math.min(...times)
  return (
    `${String(megabytes).padStart(3)} MB: ${each.toFixed(2)} s a step of ${micros} micro-batches, ${(each / micros).toFixed(2)} s each; coordinator ${Math.round(peak / 1e6)} MB, ` +
    `Redis ${Math.round(memory / 1e6)} MB at the peak, ${left} keys left`
  )
}

/** Cost of sending parameters and gradients over Redis on loopback, with two workers that compute nothing. */
export async function benchExchange(): Promise<void> {
  console.log(`exchange over Redis, ${workers} workers, parameters and gradients of`)
  for (const megabytes of sizes) {
    // Each in a server of its own: the peak of memory is the server's whole life's.
    const redis = await startRedis()
    const children = await Promise.all(Array.from({ length: workers }, () => startWorker(redis.url)))
    try {
      console.log(await exchangeOf(redis.url, megabytes))
    } finally {
      for (const child of children) child.kill()
      await redis.stop()
    }
  }
}
