import { describe, expect, it } from 'vitest'
import { balancedDraws, planEpoch, stepsPerEpoch } from './epoch.js'
import { dropoutMask } from './dropout.js'
import { seededRandom, shuffled } from './random.js'
import { foldSplit, stratifiedSplit, type Labelled } from './split.js'

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

describe('balancedDraws', () => {
  const items = Array.from({ length: 23 }, (_, i) => ({ key: i, label: i < 17 ? 'a' : i < 21 ? 'b' : 'c' }))
  const countsOf = <Name>(names: readonly Name[]): Map<Name, number> =>
    names.reduce((counts, name) => counts.set(name, (counts.get(name) ?? 0) + 1), new Map<Name, number>())
  const draw = (epoch: number) => balancedDraws(items, ({ label }) => label, seededRandom(5, 'balance', epoch))

  it('has equally many of each class, and of its items, in every epoch', () => {
    for (const epoch of [0, 1, 2]) {
      const drawn = draw(epoch)
      expect(drawn).toHaveLength(23)
      expect([...countsOf(drawn.map(({ label }) => label)).values()].toSorted((a, b) => a - b)).toEqual([7, 8, 8])
      for (const label of ['a', 'b', 'c']) {
        const times = [...countsOf(drawn.filter(item => item.label === label).map(({ key }) => key)).values()]
        expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1)
      }
    }
  })

  it('comes to all items of a large class within some epochs, the same for the same seed', () => {
    const seen = new Set([0, 1, 2, 3, 4, 5, 6, 7].flatMap(epoch => draw(epoch).map(({ key }) => key)))
    expect(seen.size).toBe(23)
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it('is what an epoch is cut from, in a random order', () => {
    const options = { seed: 5, epoch: 0, batchSize: 8, microBatchSize: 8 }
    const steps = planEpoch(items, { ...options, balanceBy: ({ label }) => label })
    expect(steps.map(({ samples }) => samples)).toEqual([8, 8, 7])
    const flat = steps.flatMap(({ microBatches }) => microBatches.flatMap(part => part.items))
    expect(countsOf(flat)).toEqual(countsOf(draw(0)))
    expect(new Set(flat.slice(0, 8).map(({ label }) => label)).size).toBeGreaterThan(1)
  })
})

describe('foldSplit', () => {
  const items = Array.from({ length: 41 }, (_, i) => ({ key: `${i}.png`, label: i < 25 ? 0 : i < 40 ? 1 : 2 }))

  it('holds each item out once, equally many of each class and in all', () => {
    const parts = [1, 2, 3, 4].map(fold => foldSplit(items, { fold, of: 4 }))
    expect(
      parts
        .flatMap(({ validation }) => validation)
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(items.map(({ key }) => key).toSorted())
    for (const { training, validation } of parts) {
      expect(new Set([...training, ...validation]).size).toBe(41)
      expect(Math.abs(validation.length - 41 / 4)).toBeLessThan(1)
      expect(Math.abs(validation.filter(({ label }) => label === 0).length - 25 / 4)).toBeLessThan(1)
      expect(Math.abs(validation.filter(({ label }) => label === 1).length - 15 / 4)).toBeLessThan(1)
    }
    expect(() => foldSplit(items, { fold: 5, of: 4 })).toThrow('part 5 of 4')
  })

  it('does not depend on the order of the items', () => {
    const keys = (of: typeof items) =>
      foldSplit(of, { fold: 2, of: 3 })
        .validation.map(({ key }) => key)
        .toSorted()
    expect(keys(items.toReversed())).toEqual(keys(items))
  })
})
