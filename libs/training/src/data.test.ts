import { describe, expect, it } from 'vitest'
import { planEpoch, stepsPerEpoch } from './epoch.js'
import { dropoutMask } from './dropout.js'
import { seededRandom, shuffled } from './random.js'
import { stratifiedSplit, type Labelled } from './split.js'

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

describe('seededRandom', () => {
  it('is the same for the same names and unrelated for others', () => {
    const draw = (...parts: (string | number)[]): number[] => {
      const random = seededRandom(...parts)
      return Array.from({ length: 2000 }, () => random.next())
    }
    expect(draw(1, 'a')).toEqual(draw(1, 'a'))
    const [a, b] = [draw(1, 'a', 0), draw(1, 'a', 1)]
    expect(Math.abs(mean(a) - 0.5)).toBeLessThan(0.03)
    expect(Math.abs(mean(a.map((x, i) => (x - 0.5) * (b[i]! - 0.5))))).toBeLessThan(0.01)
    expect(draw('1', 'a')[0]).not.toBe(draw(1, 'a')[0])
  })

  it('never changes: stored runs depend on it', () => {
    const random = seededRandom(7, 'dropout', 'a/b.jpg', 3, 'fc6')
    expect([random.integer(1000), random.integer(1000), random.integer(1000)]).toMatchInlineSnapshot(`
      [
        640,
        829,
        247,
      ]
    `)
  })

  it('draws normal numbers', () => {
    const random = seededRandom('normal')
    const values = Array.from({ length: 20_000 }, () => random.normal())
    expect(Math.abs(mean(values))).toBeLessThan(0.03)
    expect(Math.abs(mean(values.map(x => x * x)) - 1)).toBeLessThan(0.05)
    expect(Math.abs(mean(values.map(x => x ** 4)) - 3)).toBeLessThan(0.3)
  })

  it('shuffles evenly', () => {
    const firsts = Array.from({ length: 6000 }, (_, i) => shuffled([0, 1, 2], seededRandom('shuffle', i)).join(''))
    for (const order of new Set(firsts)) expect(Math.abs(firsts.filter(x => x === order).length - 1000)).toBeLessThan(120)
    expect(new Set(firsts).size).toBe(6)
  })
})

describe('dropoutMask', () => {
  it('depends on seed, key, step and node, keeps the expectation', () => {
    const source = { seed: 1, key: 'a.jpg', step: 0 }
    const mask = dropoutMask(source, 'fc6', 0.7, 10_000)
    expect(dropoutMask({ ...source }, 'fc6', 0.7, 10_000)).toEqual(mask)
    for (const other of [
      { ...source, seed: 2 },
      { ...source, key: 'b.jpg' },
      { ...source, step: 1 },
    ]) {
      expect(dropoutMask(other, 'fc6', 0.7, 10_000)).not.toEqual(mask)
    }
    expect(dropoutMask(source, 'fc7', 0.7, 10_000)).not.toEqual(mask)
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.3)]))
    expect(Math.abs(mean([...mask]) - 1)).toBeLessThan(0.05)
  })
})

describe('planEpoch', () => {
  const keys = Array.from({ length: 23 }, (_, i) => `image${i}`)

  it('uses every image once, in fixed pieces', () => {
    const steps = planEpoch(keys, { seed: 1, epoch: 0, batchSize: 8, microBatchSize: 3 })
    expect(steps).toHaveLength(stepsPerEpoch(23, 8))
    expect(steps.map(step => step.microBatches.map(({ items }) => items.length))).toEqual([
      [3, 3, 2],
      [3, 3, 2],
      [3, 3, 1],
    ])
    expect(steps.map(({ samples }) => samples)).toEqual([8, 8, 7])
    expect(steps.flatMap(step => step.microBatches.flatMap(({ items }) => items)).toSorted()).toEqual(keys.toSorted())
  })

  it('shuffles by seed and epoch', () => {
    const order = (seed: number, epoch: number): string =>
      planEpoch(keys, { seed, epoch, batchSize: 23, microBatchSize: 23 })[0]!.microBatches[0]!.items.join()
    expect(order(1, 0)).toBe(order(1, 0))
    expect(new Set([order(1, 0), order(1, 1), order(2, 0)]).size).toBe(3)
  })

  it('refuses impossible sizes', () => {
    for (const [batchSize, microBatchSize] of [
      [0, 1],
      [4, 8],
      [4, 0],
      [2.5, 1],
    ] as const) {
      expect(() => planEpoch(keys, { seed: 1, epoch: 0, batchSize, microBatchSize })).toThrow(/expected 1 <= micro-batch <= batch/)
    }
  })
})

describe('stratifiedSplit', () => {
  const items = (count: number): Labelled[] => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, label: i % 3 }))

  it('takes about the share of every class', () => {
    const { training, validation } = stratifiedSplit(items(3000), 0.2)
    expect(training.length + validation.length).toBe(3000)
    for (const label of [0, 1, 2]) expect(Math.abs(validation.filter(item => item.label === label).length - 200)).toBeLessThan(40)
  })

  it('keeps every image on its side when data grows or is sorted another way', () => {
    const small = new Set(stratifiedSplit(items(300), 0.2).validation.map(({ key }) => key))
    const large = new Set(stratifiedSplit(items(3000).toReversed(), 0.2).validation.map(({ key }) => key))
    for (const { key } of items(300)) expect(large.has(key)).toBe(small.has(key))
  })

  it('leaves no class of two or more without either side', () => {
    for (let seed = 0; seed < 20; seed++) {
      const few = [...items(6), { key: 'alone', label: 3 }]
      const { training, validation } = stratifiedSplit(few, 0.1, seed)
      for (const label of [0, 1, 2]) {
        expect(training.some(item => item.label === label)).toBe(true)
        expect(validation.some(item => item.label === label)).toBe(true)
      }
      expect(training.map(({ key }) => key)).toContain('alone')
    }
    expect(stratifiedSplit(items(6), 0).validation).toEqual([])
    expect(() => stratifiedSplit(items(6), 1)).toThrow(/share of 1/)
  })
})
