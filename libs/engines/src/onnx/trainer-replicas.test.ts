import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { addArrays, elementCount, type Tensor } from '@layermill/core'
import type { Engine } from '../engine.js'
import { openEngine } from '../open.js'
import { inSharedMemory, node, numbers, tinyImages, tinyNetwork, tinyWeights } from '../testing/index.js'
import { ThreadClient } from '../thread/client.js'
import type { Trainer, TrainingBatch } from '../trainer.js'
import { ThreadEngine } from './engine.js'

const size = [24, 24] as const
const classes = 3
const network = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 16, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn', ['conv'], { epsilon: 1e-3, decay: 0.9 }),
    node('relu', 'relu', ['bn'], {}),
    node('maxPool', 'pool', ['relu'], { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true }),
    node('conv', 'conv2', ['pool'], { outChannels: 16, kernel: [3, 3], stride: [2, 2], pad: [1, 1] }),
    node('dropout', 'drop', ['conv2'], { ratio: 0.5 }),
    node('linear', 'scores', ['drop'], { inFeatures: 576, outFeatures: classes }),
  ],
  size,
)
const weights = tinyWeights(network)
const trainable = [...weights.keys()].filter(name => !/mean$|variance$/.test(name))

/** Images `from` to `to` of nine, with targets and masks of their own. */
function batch(from = 0, to = 9): TrainingBatch {
  const rows = (data: Float32Array): Float32Array => data.slice((from * data.length) / 9, (to * data.length) / 9)
  const mask = numbers(9 * 576, 21).map(value => (value < 0 ? 0 : 2))
  return {
    images: { shape: [to - from, 3, ...size], data: rows(tinyImages(9, size).data) },
    labels: Int32Array.of(0, 2, 1, 0, 2, 1, 1, 0, 2).slice(from, to),
    targets: { shape: [to - from, classes], data: rows(numbers(9 * classes, 5).map(value => 1 + value / 2)) },
    masks: new Map([['drop', { shape: [to - from, 16, 6, 6], data: rows(mask) }]]),
  }
}

/** Engines that a test opened. They are closed after it, also where it failed. */
const engines: Engine[] = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map(engine => engine.close()))
})

async function open(threads: number): Promise<Engine> {
  const engine = await openEngine({ threads })
  engines.push(engine)
  return engine
}

const makeTrainer = (engine: Engine, batchSize?: number): Promise<Trainer> =>
  engine.trainer(network, weights, { trainable, ...(batchSize === undefined ? {} : { batchSize }) })

/** An engine with two threads whose further threads run `body` for each request `m` besides answering it. */
async function openWith(body: string): Promise<Engine> {
  const main = pathToFileURL(createRequire(import.meta.url).resolve('@layermill/engines/thread')).href
  const module = new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort as port } from 'node:worker_threads'
    await import(${JSON.stringify(main)})
    port.on('message', m => { ${body} })`)}`,
  )
  const client = new ThreadClient()
  const opened = await client.request('open', { devices: ['cpu'], threads: 2 })
  const engine = new ThreadEngine({ ...opened, name: 'onnx', threads: 2, client, startThread: () => new ThreadClient('onnx', module) })
  engines.push(engine)
  return engine
}

/** Threads of engines in this process. */
const threadCount = (): number => process.listenerCount('exit')

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('a trainer in replicas', () => {
  it('adds slices in order: the same bits from one, two and three replicas, and as one by one', async () => {
    const single = await makeTrainer(await open(1), 9)
    const parts = []
    for (const start of [0, 3, 6]) parts.push(await single.gradients(batch(start, start + 3)))
    const [first, ...others] = parts
    const expected = structuredClone(first!.gradients)
    const arrays = (gradients: ReadonlyMap<string, Tensor>): Float32Array[] => trainable.map(name => gradients.get(name)!.data)
    for (const { gradients } of others) await addArrays(arrays(expected), arrays(gradients))
    const scores = await single.evaluate(batch())
    for (const [threads, replicas] of [
      [1, 1],
      [2, 2],
      [4, 3],
    ] as const) {
      const before = threadCount()
      const trainer = await makeTrainer(await open(threads), 9)
      expect(threadCount() - before).toBe(replicas)
      let recycle: ReadonlyMap<string, Tensor> | undefined
      for (let round = 0; round < 3; round++) {
        const { loss, correct, logits, gradients } = await trainer.gradients({ ...batch(), ...(recycle === undefined ? {} : { recycle }) })
        expect([...gradients.keys()].toSorted()).toEqual(trainable.toSorted())
        for (const [name, tensor] of gradients) expect(tensor, `${name} in ${replicas} replicas`).toEqual(expected.get(name))
        expect({ loss, correct }).toEqual({
          loss: parts.reduce((sum, part) => sum + part.loss, 0),
          correct: parts.reduce((sum, part) => sum + part.correct, 0),
        })
        expect(logits).toEqual({ shape: [9, classes], data: Float32Array.from(parts.flatMap(part => [...part.logits.data])) })
        // Its memory was taken.
        for (const { data } of recycle?.values() ?? []) expect(data).toHaveLength(0)
        recycle = gradients
      }
      expect(await trainer.evaluate(batch())).toEqual(scores)
      await trainer.release()
      expect(threadCount() - before).toBe(1)
    }
  })

  it('takes what was asked for without waiting in order, with the parameters of its place', async () => {
    const engine = await open(2)
    const [replicas, alone] = [await makeTrainer(engine, 9), await makeTrainer(engine)]
    const moved = new Map([['scores/b', { shape: [classes], data: Float32Array.of(0, 50, 0) }]])
    const expected = [await alone.gradients(batch())]
    await alone.setParameters(moved)
    expected.push(await alone.gradients(batch()))
    const first = replicas.gradients(batch())
    const set = replicas.setParameters(inSharedMemory(moved))
    expect(await first).toEqual(expected[0])
    await set
    const results = [replicas.gradients(batch()), replicas.gradients(batch())]
    expect(await Promise.all(results)).toEqual([expected[1], expected[1]])
    await Promise.all([replicas.release(), alone.release()])
  })

  it('copies parameters, from shared memory as well', async () => {
    const trainer = await makeTrainer(await open(2), 9)
    const values = new Map(
      trainable.map((name, i): [string, Tensor] => {
        const { shape } = weights.get(name)!
        return [name, { shape, data: numbers(elementCount(shape), 70 + i).map(value => 0.3 * value) }]
      }),
    )
    await trainer.setParameters(values)
    const expected = await trainer.gradients(batch())
    await trainer.setParameters(new Map([...values].map(([name, { shape, data }]) => [name, { shape, data: data.map(value => -value) }])))
    expect((await trainer.gradients(batch())).loss).not.toBe(expected.loss)
    const shared = inSharedMemory(values)
    await trainer.setParameters(shared)
    for (const { data } of [...shared.values(), ...values.values()]) data.fill(7)
    expect(await trainer.gradients(batch())).toEqual(expected)
    // Some of them only, of both kinds.
    await trainer.setParameters(
      new Map([
        ['scores/b', shared.get('scores/b')!],
        ['bn/gamma', weights.get('bn/gamma')!],
      ]),
    )
    expect((await trainer.gradients(batch())).loss).not.toBe(expected.loss)
    await trainer.release()
  })

  it('has one replica where it does not help: batch statistics, later starts, small batches', async () => {
    const engine = await open(4)
    const before = threadCount()
    const options = { trainable: ['scores/W'], batchSize: 9 }
    await engine.trainer(network, weights, { ...options, batchNorm: 'batch' })
    await engine.trainer(network, weights, { ...options, start: 'pool' })
    await engine.trainer(network, weights, { ...options, batchSize: 4 })
    await engine.trainer(network, weights, { trainable: ['scores/W'] })
    expect(threadCount()).toBe(before)
  })

  it('fails where a replica crashes, and leaves no thread behind', async () => {
    const before = threadCount()
    const engine = await openWith("if (m.kind === 'gradients') throw new Error('boom')")
    const trainer = await makeTrainer(engine, 9)
    expect(threadCount() - before).toBe(2)
    await expect(trainer.gradients(batch())).rejects.toMatchObject({
      code: 'ENGINE_FAILED',
      message: expect.stringContaining('boom') as string,
    })
    expect(await codeOf(trainer.setParameters(new Map([['scores/b', weights.get('scores/b')!]])))).toBe('ENGINE_FAILED')
    expect(await codeOf(trainer.gradients(batch()))).toBe('ENGINE_FAILED')
    expect(await codeOf(trainer.evaluate(batch(0, 1)))).toBe('ENGINE_FAILED')
    await trainer.release()
    expect(threadCount() - before).toBe(1)
    await engine.close()
    expect(threadCount()).toBe(before)
  })

  it('is not made where a replica cannot be, and the engine goes on', async () => {
    const engine = await openWith("if (m.kind === 'train') throw new Error('boom')")
    const before = threadCount()
    expect(await codeOf(makeTrainer(engine, 9))).toBe('ENGINE_FAILED')
    expect(await codeOf(engine.trainer(network, weights, { trainable: ['bn/mean'], batchSize: 9 }))).toBe('PARAMETER_UNKNOWN')
    expect(threadCount()).toBe(before)
    const trainer = await makeTrainer(engine, 4)
    expect((await trainer.gradients(batch())).gradients.size).toBe(trainable.length)
  })

  it('finishes what is pending when the engine closes, and nothing comes after', async () => {
    const before = threadCount()
    const engine = await open(2)
    const trainer = await makeTrainer(engine, 9)
    const expected = await trainer.gradients(batch())
    const pending = [trainer.gradients(batch()), trainer.gradients(batch())]
    const closing = engine.close()
    const late = codeOf(trainer.gradients(batch()))
    expect(await Promise.all(pending)).toEqual([expected, expected])
    expect(await late).toBe('ENGINE_CLOSED')
    await closing
    expect(threadCount()).toBe(before)
    const other = await open(2)
    const half = makeTrainer(other, 9)
    await other.close()
    // Made or not: its threads are gone.
    expect(['no error', 'ENGINE_CLOSED', 'ENGINE_FAILED']).toContain(await codeOf(half))
    expect(threadCount()).toBe(before)
  })
})
