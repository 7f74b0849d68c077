import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openBroker } from '@layermill/queue'
import { Redis } from 'ioredis'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'
import { type CliProcess, runCli, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { readRun } from '../../helpers/results.js'
import { namesIn, untilOrEnd } from '../../helpers/watch.js'
import { writeShapes } from '../../integration/train/shapes.js'

const folder = testFolder('train-fleet')
const files = ['model.safetensors', 'metrics.jsonl'] as const
let redis: RedisService
let command: (out: string, ...more: readonly string[]) => string[]
let expected: Buffer[]
const workers: CliProcess[] = []

const contents = (out: string): Promise<Buffer[]> => Promise.all(files.map(name => readFile(join(out, name))))

async function expectSame(out: string, reference: readonly Buffer[] = expected): Promise<void> {
  const found = await contents(out)
  for (const [i, name] of files.entries()) expect(found[i]!.equals(reference[i]!), name).toBe(true)
}

function startWorker(): CliProcess {
  const worker = startCli(['worker', '--queue', redis.url, '--device', 'cpu', '--lock-duration', '5'])
  workers.push(worker)
  return worker
}

const ready = (worker: CliProcess): Promise<boolean> => untilOrEnd(worker, async () => worker.stderr().includes('queue redis://'))
const hasCheckpoint = (out: string, step: number) => async (): Promise<boolean> =>
  (await namesIn(join(out, 'checkpoints'))).includes(`step-${String(step).padStart(10, '0')}.safetensors`)

/** Keys that a run has in the exchange. */
async function exchangeKeys(out: string): Promise<string[]> {
  const { id } = await readRun(out)
  const client = new Redis(redis.url)
  try {
    return await client.keys(`layermill:exchange:train/${String(id)}/*`)
  } finally {
    client.disconnect()
  }
}

beforeAll(async () => {
  redis = await startRedis()
  const shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 12)
  // Five micro-batches an update, running statistics that move, dropout and augmentation: all that could depend on who computes.
  command = (out, ...more) => [
    'finetune',
    shapes,
    '--model',
    'resnet50',
    '--weights',
    'random:1',
    '--layer',
    'res2',
    '--base',
    'full',
    '--batch-norm',
    'batch',
    '--head',
    '8',
    '--size',
    '32x32',
    '--augment',
    'flip,color',
    '--epochs',
    '2',
    '--batch-size',
    '10',
    '--micro-batch',
    '2',
    '--validation',
    '0.25',
    '--checkpoint-steps',
    '1',
    '--device',
    'cpu',
    '--out',
    out,
    ...more,
  ]
  const embedded = join(await folder(), 'embedded')
  const result = await runCli(command(embedded))
  if (result.code !== 0) throw new Error(result.stderr)
  expected = await contents(embedded)
})

afterEach(async () => {
  for (const { child } of workers) child.kill('SIGKILL')
  await Promise.all(workers.map(({ ended }) => ended))
  workers.length = 0
})
afterAll(async () => {
  await redis?.stop()
})

describe('fine-tuning over a queue', () => {
  it.each([1, 2, 5])('has the same bits with %i workers as in one process', async count => {
    for (let i = 0; i < count; i++) startWorker()
    const out = join(await folder(), `workers${count}`)
    const result = await runCli(command(out, '--queue', redis.url))
    expect(result.code, result.stderr).toBe(0)
    await expectSame(out)
  })

  it('has them when one worker is killed -9 in the middle of an epoch and another joins late', async () => {
    const [victim] = [startWorker(), startWorker()]
    const out = join(await folder(), 'killed')
    const process = startCli(command(out, '--queue', redis.url))
    expect(await untilOrEnd(process, hasCheckpoint(out, 1))).toBe(true)
    victim.child.kill('SIGKILL')
    const late = startWorker()
    expect(await ready(late)).toBe(true)
    const result = await process.ended
    expect(result.code, result.stderr).toBe(0)
    await expectSame(out)
  })

  it('has them when the coordinator is killed -9 and started again', async () => {
    startWorker()
    const out = join(await folder(), 'coordinator')
    const locked = command(out, '--queue', redis.url, '--lock-duration', '2')
    const process = startCli(locked)
    expect(await untilOrEnd(process, hasCheckpoint(out, 2))).toBe(true)
    process.child.kill('SIGKILL')
    await process.ended
    expect(await exchangeKeys(out)).not.toEqual([])
    const result = await runCli(locked)
    expect(result.code, result.stderr).toBe(0)
    await expectSame(out)
    expect(await exchangeKeys(out)).toEqual([])
  })

  it('goes on when the queue and the exchange are wiped under it', async () => {
    startWorker()
    const out = join(await folder(), `wiped-${randomUUID()}`)
    const process = startCli(command(out, '--queue', redis.url))
    expect(await untilOrEnd(process, hasCheckpoint(out, 1))).toBe(true)
    await redis.restart()
    // The run's job went with the queue: its truth is in the store, from which its orchestrator queues it again.
    const ended = await process.ended
    expect(ended.code, ended.stderr).toBe(0)
    const result = await runCli(command(out, '--queue', redis.url))
    expect(result.code, result.stderr).toBe(0)
    await expectSame(out)
  })

  it('has bits of its own with bfloat16, the same in one process and by two workers', async () => {
    for (let i = 0; i < 2; i++) startWorker()
    const [here, there] = [join(await folder(), 'rounded'), join(await folder(), 'rounded-fleet')]
    for (const [out, ...more] of [[here], [there, '--queue', redis.url]] as const) {
      const result = await runCli(command(out, '--exchange', 'bfloat16', ...more))
      expect(result.code, result.stderr).toBe(0)
    }
    const rounded = await contents(here)
    expect(rounded[0]!.equals(expected[0]!)).toBe(false)
    await expectSame(there, rounded)
  })

  it('computes the features of a frozen base with the workers', async () => {
    startWorker()
    const [here, there] = [join(await folder(), 'frozen'), join(await folder(), 'frozen-fleet')]
    for (const [out, ...more] of [[here], [there, '--queue', redis.url]] as const) {
      const result = await runCli(command(out, '--base', 'frozen', '--batch-norm', 'frozen', '--augment', 'none', ...more))
      expect(result.code, result.stderr).toBe(0)
    }
    await expectSame(there, await contents(here))
    const broker = await openBroker(redis.url)
    try {
      expect((await broker.counts('layermill-gradients')).load).toBe(0)
    } finally {
      await broker.close()
    }
  })
})
