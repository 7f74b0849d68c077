import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { Optimizer, type OptimizerSpec } from './optimizer.js'
import { learningRateScales } from './scales.js'

const tensor = (...values: number[]): Tensor => ({ shape: [values.length], data: Float32Array.from(values) })
const shapes = (...names: string[]): Map<string, number[]> => new Map(names.map(name => [name, [2]]))

async function run(spec: OptimizerSpec, steps: number[][], start: number[], factor = 1): Promise<number[]> {
  const parameters = new Map([['p', tensor(...start)]])
  const optimizer = new Optimizer(spec, new Map([['p', [start.length]]]))
  for (const gradient of steps) await optimizer.update(parameters, new Map([['p', tensor(...gradient)]]), { factor })
  return [...parameters.get('p')!.data]
}

describe('Optimizer', () => {
  it("Adam: the first step is alpha in the direction of the sign, whatever the gradient's size", async () => {
    const [a, b] = await run({ kind: 'adam', alpha: 0.1 }, [[1000, -0.001]], [1, 1])
    expect(a).toBeCloseTo(0.9, 6)
    expect(b).toBeCloseTo(1.1, 4)
  })

  it('Adam over several steps is the textbook recurrence', async () => {
    const gradients = [0.3, -0.2, 0.9, 0.05]
    let [m, v, p] = [0, 0, 0.5]
    for (const [i, g] of gradients.entries()) {
      m = 0.8 * m + 0.2 * g
      v = 0.95 * v + 0.05 * g * g
      p -= (0.01 * (m / (1 - 0.8 ** (i + 1)))) / Math.sqrt(v / (1 - 0.95 ** (i + 1)))
    }
    const [actual] = await run(
      { kind: 'adam', alpha: 0.01, beta1: 0.8, beta2: 0.95 },
      gradients.map(g => [g]),
      [0.5],
    )
    expect(actual).toBeCloseTo(p, 5)
  })

  it('AdamW shrinks by eta * rate * factor beside the step, without alpha', async () => {
    const [a] = await run({ kind: 'adamw', alpha: 1e-12, eta: 0.5, weight_decay_rate: 0.1 }, [[1]], [2], 0.5)
    expect(a).toBeCloseTo(2 - 2 * 0.1 * 0.5 * 0.5, 6)
  })

  it('momentum: v = momentum v - lr g; p += v', async () => {
    const [a] = await run({ kind: 'momentum', lr: 0.1, momentum: 0.5 }, [[1], [2]], [1])
    expect(a).toBeCloseTo(1 - 0.1 - (0.05 + 0.2), 6)
  })

  it('adds weight decay to the gradient, after clipping', async () => {
    const spec = { kind: 'momentum', lr: 1, momentum: 0, weightDecay: 0.1, clipNorm: 1 } as const
    const [a, b] = await run(spec, [[3, 4]], [10, 20])
    expect(a).toBeCloseTo(10 - 0.6 - 1, 5)
    expect(b).toBeCloseTo(20 - 0.8 - 2, 5)
  })

  it('clips by the norm of all gradients together and reports it', async () => {
    const parameters = new Map([
      ['a', tensor(0, 0)],
      ['b', tensor(0, 0)],
    ])
    const optimizer = new Optimizer({ kind: 'momentum', lr: 1, momentum: 0, clipNorm: 2.5 }, shapes('a', 'b'))
    const { gradientNorm } = await optimizer.update(
      parameters,
      new Map([
        ['a', tensor(3, 0)],
        ['b', tensor(0, 4)],
      ]),
    )
    expect(gradientNorm).toBe(5)
    expect([...parameters.get('a')!.data, ...parameters.get('b')!.data]).toEqual([-1.5, 0, 0, -2])
  })

  it('scales by pattern and leaves frozen parameters alone, also in the norm', async () => {
    const names = ['conv1/W', 'res4/a/conv1/W', 'res5/a/conv1/W']
    const scales = learningRateScales(names, { res5: 1, res4: 0.1, '*': 0 })
    expect([...scales.values()]).toEqual([0, 0.1, 1])
    const optimizer = new Optimizer({ kind: 'momentum', lr: 1, momentum: 0 }, shapes(...names), scales)
    expect(optimizer.trainable).toEqual(names.slice(1))
    const parameters = new Map(names.map(name => [name, tensor(1, 1)]))
    await optimizer.update(parameters, new Map(names.slice(1).map(name => [name, tensor(1, 0)])))
    expect(names.map(name => parameters.get(name)!.data[0])).toEqual([1, Math.fround(0.9), 0])
  })

  it('goes on bit for bit from its state', async () => {
    const spec: OptimizerSpec = { kind: 'adam' }
    const gradient = (step: number): Map<string, Tensor> => new Map([['p', tensor(Math.sin(step), Math.cos(step))]])
    const straight = new Map([['p', tensor(1, 2)]])
    const first = new Optimizer(spec, shapes('p'))
    for (let step = 0; step < 6; step++) await first.update(straight, gradient(step))

    const resumed = new Map([['p', tensor(1, 2)]])
    const before = new Optimizer(spec, shapes('p'))
    for (let step = 0; step < 3; step++) await before.update(resumed, gradient(step))
    const after = new Optimizer(spec, shapes('p'))
    after.restore(before.state)
    for (let step = 3; step < 6; step++) await after.update(resumed, gradient(step))
    expect(resumed.get('p')!.data).toEqual(straight.get('p')!.data)
    expect(after.state).toEqual(first.state)
  })

  it('refuses gradients that are missing or not finite, changing nothing', async () => {
    const parameters = new Map([
      ['a', tensor(1, 1)],
      ['b', tensor(1, 1)],
    ])
    const optimizer = new Optimizer({ kind: 'adam' }, shapes('a', 'b'))
    await expect(optimizer.update(parameters, new Map([['a', tensor(1, 1)]]))).rejects.toThrow(/gradient of b/)
    await expect(
      optimizer.update(
        parameters,
        new Map([
          ['a', tensor(1, 1)],
          ['b', tensor(NaN, 0)],
        ]),
      ),
    ).rejects.toThrow(/gradient of b is not/)
    expect([...parameters.get('a')!.data]).toEqual([1, 1])
    expect(optimizer.state.updates).toBe(0)
    expect(() => optimizer.restore({ updates: 1, tensors: new Map() })).toThrow(/m\/a/)
  })
})

describe('learningRateScales', () => {
  it('takes the first match, whole names, starts up to a slash and stars', () => {
    const names = ['res4/b2/conv1/W', 'res4/b22/conv1/W', 'fc/W', 'fc/b', 'fc6/W']
    const scales = learningRateScales(names, { 'res4/b2': 2, '*/W': 3, fc: 4 })
    expect([...scales.values()]).toEqual([2, 3, 3, 4, 3])
  })

  it('refuses a pattern without a parameter and a negative factor', () => {
    expect(() => learningRateScales(['fc/W'], { res7: 1 })).toThrow(/res7/)
    expect(() => learningRateScales(['fc/W'], { fc: -1 })).toThrow(/-1/)
    const names = ['res4/b1/W', 'res4/b22/W']
    expect(() => learningRateScales(names, { res4: 0.1, 'res4/b22': 1 })).toThrow(/res4\/b22 is never used: res4 comes first/)
    expect([...learningRateScales(names, { 'res4/b22': 1, res4: 0.1, '*': 0 }).values()]).toEqual([0.1, 1])
  })
})
