import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { GradientSum } from './gradient-sum.js'
import { Optimizer, type OptimizerSpec } from './optimizer.js'
import { seededRandom } from './random.js'

const seed = 20_260
const chunk = 1 << 20
/** Around the norm's chunk, and the part that threads are handed; more than two million in all. */
const sizes = { one: 1, small: 1000, less: chunk - 1, more: chunk + 1, part: (1 << 18) + 5 }
const shapes = new Map(Object.entries(sizes).map(([name, size]) => [name, [size]]))
const frozen = new Map([['frozen', [10]]])

function numbers(stream: string): Map<string, Tensor> {
  return new Map(
    [...shapes].map(([name, shape]) => {
      const random = seededRandom(seed, stream, name)
      return [name, { shape, data: Float32Array.from({ length: shape[0]! }, () => random.next() - 0.5) }]
    }),
  )
}

const first = numbers('parameters')
const steps = [numbers('gradients 0'), numbers('gradients 1')]
const copy = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
const bytes = (tensors: ReadonlyMap<string, Tensor>): Map<string, Buffer> =>
  new Map([...tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]))

interface Trained {
  readonly norms: number[]
  readonly parameters: Map<string, Tensor>
  readonly memory: ReadonlyMap<string, Tensor>
}

async function train(optimizer: Optimizer, parameters: Map<string, Tensor>): Promise<Trained> {
  const norms: number[] = []
  for (const gradients of steps) norms.push((await optimizer.update(parameters, copy(gradients), { factor: 0.7, samples: 3 })).gradientNorm)
  await optimizer.close()
  return { norms, parameters, memory: optimizer.state.tensors }
}

function expectSame(actual: Trained, expected: Trained): void {
  expect(actual.norms).toEqual(expected.norms)
  for (const part of ['parameters', 'memory'] as const) {
    const found = bytes(actual[part])
    expect([...found.keys()]).toEqual([...expected[part].keys()])
    for (const [name, data] of bytes(expected[part])) expect(found.get(name)!.equals(data), `${part} ${name}, seed ${seed}`).toBe(true)
  }
}

/** A thread that does this with each part. */
const entry = (body: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort as port } from 'node:worker_threads'
    port.on('message', m => { ${body} })`)}`,
  )

const common = { clipNorm: 0.5, weightDecay: 0.01 }
const specs: OptimizerSpec[] = [
  { kind: 'adam', ...common },
  { kind: 'adamw', weight_decay_rate: 0.02, ...common },
  { kind: 'momentum', ...common },
]

describe('the optimizer with threads', () => {
  it.each(specs)('$kind: the same bits as in one thread, wherever the parameters are', async spec => {
    const alone = await train(new Optimizer(spec, shapes, new Map(), { threads: 1 }), copy(first))
    expect(alone.norms[0]).toBeGreaterThan(common.clipNorm)
    const shared = new Optimizer(spec, shapes, new Map(), { threads: 3 })
    const placed = shared.place(first)
    expect([...placed.values()].every(({ data }) => data.buffer instanceof SharedArrayBuffer)).toBe(true)
    expectSame(await train(shared, placed), alone)
    expectSame(await train(new Optimizer(spec, shapes, new Map(), { threads: 2 }), copy(first)), alone)
  })

  it('sums divided by the optimizer are the means that GradientSum makes, in bits where dividing is exact', async () => {
    const [spec] = specs as [OptimizerSpec]
    const summed = copy(first)
    const divided = copy(first)
    const sum = new GradientSum()
    await sum.add(0, { gradients: copy(steps[0]!), samples: 4, loss: 0, correct: 0 })
    const { gradients } = await sum.mean()
    await new Optimizer(spec, shapes, new Map(), { threads: 1 }).update(divided, gradients)
    await new Optimizer(spec, shapes, new Map(), { threads: 1 }).update(summed, copy(steps[0]!), { samples: 4 })
    for (const [name, data] of bytes(divided)) expect(bytes(summed).get(name)!.equals(data), name).toBe(true)
  })

  it('hands parts to its threads', async () => {
    const optimizer = new Optimizer(specs[0]!, shapes, new Map(), { threads: 2, entry: entry('port.postMessage(m.slot)') })
    const parameters = optimizer.place(first)
    await optimizer.update(parameters, copy(steps[0]!))
    await optimizer.close()
    // This thread does nothing with what it is given: the first part of a large one. Small ones are updated by the calling thread.
    const moved = (name: string): boolean => parameters.get(name)!.data[0] !== first.get(name)!.data[0]
    expect(['small', 'less'].map(moved)).toEqual([true, false])
  })

  it('copies what does not learn, or is small, into memory of its own', () => {
    const both = new Map([...shapes, ...frozen])
    const large = new Optimizer(specs[0]!, both, new Map([['frozen', 0]]), { threads: 2 })
    const still = new Map([['frozen', { shape: [10], data: new Float32Array(10) }]])
    expect(large.place(still).get('frozen')!.data.buffer).toBeInstanceOf(ArrayBuffer)
    const small = new Optimizer(specs[0]!, frozen, new Map(), { threads: 2 }).place(still).get('frozen')!.data
    expect(small.buffer).toBeInstanceOf(ArrayBuffer)
    expect(small).not.toBe(still.get('frozen')!.data)
  })

  it.each([
    ['crashes', "throw new Error('boom')", /crashed: boom/],
    ['ends', 'process.exit(3)', /exit code 3/],
  ])('rejects the update, and all that come later, when a thread %s', async (_what, body, message) => {
    const optimizer = new Optimizer(specs[0]!, shapes, new Map(), { threads: 2, entry: entry(body) })
    const parameters = optimizer.place(first)
    await expect(optimizer.update(parameters, copy(steps[0]!))).rejects.toMatchObject({
      code: 'OPTIMIZER_FAILED',
      message: expect.stringMatching(message) as string,
    })
    const before = copy(parameters)
    await expect(optimizer.update(parameters, copy(steps[0]!))).rejects.toMatchObject({ code: 'OPTIMIZER_FAILED' })
    for (const [name, data] of bytes(before)) expect(bytes(parameters).get(name)!.equals(data), name).toBe(true)
    await optimizer.close()
  })

  it('rejects the update that it is closed in; closed in between it goes on', async () => {
    const silent = new Optimizer(specs[0]!, shapes, new Map(), { threads: 2, entry: entry('') })
    const parameters = silent.place(first)
    const outcome = silent.update(parameters, copy(steps[0]!)).catch((error: unknown) => error)
    // The calling thread updates this one right before it hands the first part of another over.
    while (parameters.get('small')!.data[0] === first.get('small')!.data[0]) await setImmediate()
    await silent.close()
    expect(await outcome).toMatchObject({ code: 'OPTIMIZER_FAILED' })
    const optimizer = new Optimizer(specs[2]!, shapes, new Map(), { threads: 2 })
    const placed = optimizer.place(first)
    await optimizer.update(placed, copy(steps[0]!))
    await optimizer.close()
    await optimizer.close()
    await optimizer.update(placed, copy(steps[1]!))
    expect(optimizer.state.updates).toBe(2)
    await optimizer.close()
  })
})
