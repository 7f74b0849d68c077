import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { GradientProcessor } from '@layermill/inference'
import { type GradientJob, queueNames } from '@layermill/contracts'
import { type BlobStore, openExchange, resultKeys } from '@layermill/queue'
import { QueueGradients } from '@layermill/orchestrator/train'
import { openSource, openStore } from '@layermill/storage'
import { testFolder } from '../../helpers/folders.js'
import { train, type TrainOptions } from './embedded.js'
import { overQueue } from './over-queue.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('train-queue')
let spec: Record<string, unknown>

beforeAll(async () => {
  const source = join(await folder(), 'shapes')
  await writeShapes(source, 8)
  spec = {
    model: 'resnet50',
    layer: 'res2',
    source,
    base: 'full',
    batchNorm: 'batch',
    epochs: 2,
    batchSize: 9,
    microBatch: 1,
    validation: 0.25,
  }
})

/** Blobs in memory that can be counted, and that forget some on purpose. */
class CountedBlobs implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>()
  most = 0
  forgotten = 0

  constructor(private readonly forgets: (key: string) => boolean = () => false) {}

  put(key: string, bytes: Uint8Array): Promise<void> {
    if (this.forgets(key)) this.forgotten++
    else this.blobs.set(key, bytes)
    // An index and a piece for each result.
    this.most = Math.max(this.most, [...this.blobs.keys()].filter(name => /\/train\/\d+\/\d+$/.test(name)).length)
    return Promise.resolve()
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.blobs.get(key))
  }

  delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.blobs.delete(key)
    return Promise.resolve()
  }

  deleteBelow(prefix: string): Promise<void> {
    return this.delete([...this.blobs.keys()].filter(key => key.startsWith(prefix)))
  }
}

const weights = (out: string): Promise<Buffer> => readFile(join(out, 'model.safetensors'))

describe('gradients over a queue', () => {
  it('hold no more than the window in the exchange, leave nothing there, and have the same bits', async () => {
    const [here, queued] = [join(await folder(), 'here'), join(await folder(), 'queued')]
    const { record: alone } = await train({ ...spec, out: here })
    const blobs = new CountedBlobs()
    const { record } = await train({ ...spec, out: queued }, overQueue({ blobs, concurrency: 3 }))
    const [one, told] = [alone.phases?.[0], record.phases?.[0]]
    // Every micro-batch is told of once, whoever computes it; only between processes is anything exchanged.
    expect([told?.parts, told?.images]).toEqual([one?.parts, one?.images])
    expect([one, told].every(phases => phases !== undefined && phases.seconds.compute > 0 && phases.seconds.decode > 0)).toBe(true)
    expect([one?.seconds.exchange, told?.seconds.exchange]).toEqual([undefined, expect.any(Number)])
    expect((await weights(queued)).equals(await weights(here))).toBe(true)
    expect([...blobs.blobs.keys()]).toEqual([])
    expect(blobs.most).toBeGreaterThan(0)
    expect(blobs.most).toBeLessThanOrEqual(4)
  })

  it('compute again what the exchange has lost', async () => {
    const out = join(await folder(), 'lossy')
    // The first indices of some results, of their statistics, and of scores.
    const lost = new Set<string>()
    const blobs = new CountedBlobs(key => {
      const isOne = /\/(train\/1\/2|train\/1\/3\/statistics|evaluate\/1\/1)$/.test(key) && !lost.has(key)
      if (isOne) lost.add(key)
      return isOne
    })
    await train({ ...spec, out }, overQueue({ blobs, concurrency: 3 }))
    expect(blobs.forgotten).toBe(3)
    expect([...blobs.blobs.keys()]).toEqual([])
    expect((await weights(out)).equals(await weights(join(await folder(), 'here')))).toBe(true)
  })

  it('leave nothing of an earlier term, not even what a worker of it finishes later', async () => {
    const out = join(await folder(), 'after another')
    let blobs = new CountedBlobs()
    let started: () => void = () => undefined
    const active = new Promise<void>(resolve => {
      started = resolve
    })
    const late = new Promise<string>(resolve => {
      // The first update of this term: its own work is under way.
      blobs = new CountedBlobs(key => {
        if (key.endsWith('/s1/parameters/1')) resolve(key)
        return false
      })
    })
    const earlier: TrainOptions = {
      gradients: async parts => {
        const { broker, plan, store } = parts
        const job = (micro: number): GradientJob => ({
          v: 1,
          run: plan.run,
          session: 's0',
          store: store.url,
          purpose: 'train',
          step: 0,
          micro,
          version: 0,
        })
        const left = broker.worker<GradientJob>(
          queueNames.gradients,
          async ({ data }) => {
            started()
            await late
            await blobs.put(resultKeys(data).values, Uint8Array.of(1))
            throw Object.assign(new Error('EXCHANGE_MISSING: the parameters are gone'), { name: 'UnrecoverableError' })
          },
          { concurrency: 1 },
        )
        const queue = broker.queue<GradientJob>(queueNames.gradients)
        await queue.add('train', job(0), { jobId: `${plan.run}_s0_train_0_0` })
        await active
        await left.pause(true)
        await queue.add('train', job(1), { jobId: `${plan.run}_s0_train_0_1` })
        for (const key of [resultKeys(job(5)).values, 'train/another-run/s0/train/0/0']) await blobs.put(key, Uint8Array.of(1))
        const source = await overQueue({ blobs, concurrency: 3 }).gradients!(parts)
        const close = source.close.bind(source)
        source.close = async () => {
          await left.close()
          expect([...blobs.blobs.keys()]).toContain(resultKeys(job(0)).values)
          await close()
          expect((await queue.getJobs(['waiting', 'delayed', 'active', 'failed'])).map(({ id }) => id)).toEqual([])
        }
        return source
      },
    }
    await train({ ...spec, out }, earlier)
    expect([...blobs.blobs.keys()]).toEqual(['train/another-run/s0/train/0/0'])
    expect((await weights(out)).equals(await weights(join(await folder(), 'here')))).toBe(true)
  })

  it('go on where a worker did not find the parameters, and end where it never does', async () => {
    const failing = (times: number): TrainOptions => ({
      gradients: async parts => {
        const { broker, provider, plan, store } = parts
        const exchange = openExchange(new CountedBlobs())
        const opening = {
          openStore: async (url: string) => openStore(url),
          openSource: (source: string) => openSource(source),
          readAhead: 4,
        }
        const processor = new GradientProcessor({ ...opening, provider, exchange })
        broker.worker<GradientJob>(queueNames.gradients, async ({ data }, _token, signal) => {
          // As a job ends whose every attempt failed so.
          if (data.step === 1 && data.micro === 2 && times-- > 0)
            throw Object.assign(new Error('EXCHANGE_MISSING: nothing there'), { name: 'UnrecoverableError' })
          return processor.process(data, signal ?? new AbortController().signal)
        })
        return QueueGradients.open({ broker, exchange, plan, storeUrl: store.url, session: 's1' })
      },
    })
    const out = join(await folder(), 'found again')
    await train({ ...spec, out }, failing(2))
    expect((await weights(out)).equals(await weights(join(await folder(), 'here')))).toBe(true)
    await expect(train({ ...spec, out: join(await folder(), 'never found') }, failing(100))).rejects.toMatchObject({
      code: 'EXCHANGE_MISSING',
      message: expect.stringContaining('micro-batch 2 of step 1') as string,
    })
  })

  it('fail with the code of the job that failed for good', async () => {
    const out = join(await folder(), 'failing')
    const options = overQueue({ blobs: new CountedBlobs(), concurrency: 3 })
    const damaged: TrainOptions = {
      gradients: async parts => {
        await parts.store.put(
          'dataset/training.jsonl',
          `${JSON.stringify({ key: 'disc/none.png', etag: '', bytes: 1, label: 'disc' })}\n`.repeat(24),
        )
        return options.gradients!(parts)
      },
    }
    await expect(train({ ...spec, out }, damaged)).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
      message: expect.stringContaining('disc/none.png') as string,
    })
  })
})
