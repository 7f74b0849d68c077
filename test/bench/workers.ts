import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RedisService } from '../../scripts/services/redis.mjs'
import { benchImages } from './images.js'
import { commandUsage, megabytes, startCommand } from './usage.js'

const networks = ['googlenet', 'resnet50', 'resnet101', 'resnet152', 'vgg16', 'vgg19']
const runs = 20
const wanted = 1.1

interface Held {
  /** As the kernel counts it (VmHWM). */
  readonly peak: number
  /** Resident when the last run has ended. */
  readonly after: number
}

/** Starts the server of tests. Its module lies beside the sources, not beside what is compiled from them. */
async function startRedis(): Promise<RedisService> {
  const services = (await import(pathToFileURL(resolve('scripts/services/redis.mjs')).href)) as { startRedis: () => Promise<RedisService> }
  return services.startRedis()
}

/** Memory of a process in bytes. */
async function heldBy(pid: number): Promise<Held> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024
  return { peak: bytes('VmHWM'), after: bytes('VmRSS') }
}

/** Memory of a worker that does runs of these networks, one after the other. */
async function workerAfter(models: readonly string[], images: string): Promise<Held> {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-bench-workers-'))
  const redis = await startRedis()
  const fleet = ['--queue', redis.url, '--weights-store', join(folder, 'store')]
  const worker = startCommand(['worker', ...fleet])
  try {
    for (const [i, model] of models.entries()) {
      const out = join(folder, `out-${i}`)
      await commandUsage(['extract', images, '--model', model, '--weights', 'random:1', '--layers', 'pool5', ...fleet, '--out', out])
    }
    return await heldBy(worker.pid!)
  } finally {
    worker.kill()
    await once(worker, 'exit')
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * `npm run bench -- workers`: memory of a worker that has done 20 runs of six networks, beside one that has done VGG19, the largest of them,
 * alone.
 */
export async function benchWorkers(): Promise<void> {
  const images = await benchImages(resolve('.tmp/bench/workers'), 8)
  const one = await workerAfter(['vgg19'], images)
  // The last one is the largest, as where one was done.
  const models = [...Array.from({ length: runs - 1 }, (_, i) => networks[i % networks.length]!), 'vgg19']
  const many = await workerAfter(models, images)
  for (const when of ['peak', 'after'] as const)
    console.log(
      `${when.padEnd(6)} VGG19 alone ${megabytes(one[when])}, ${runs} runs ${megabytes(many[when])}: ${(many[when] / one[when]).toFixed(2)} (target ${wanted})`,
    )
}
