import { openProduct } from '@layermill/engines'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  cca,
  ccaSet,
  centred,
  computeRdm,
  dissimilarityTies,
  type Dissimilarity,
  gaussianKernel,
  linearCka,
  type Matrix,
  type MatrixProduct,
  medianSquaredDistance,
  procrustes,
  procrustesSet,
  rankedRdm,
  rbfCka,
  rsa,
  sourceOf,
  svcca,
} from '@layermill/analysis'
import { differenceFrom, type Summary } from '../summary.js'
import { featureSet, stored } from './sets.js'

type Measures = Readonly<Record<'spearman' | 'pearson' | 'kendallTauA', number>>
interface Pair {
  readonly rsa: Readonly<Record<string, Measures>>
  readonly cka: {
    readonly biased: number
    readonly debiased: number
    readonly hsic0: number
    readonly hsic1: number
    readonly minibatch: number
    readonly rbf: Readonly<Record<string, number>>
    readonly rbfDebiased: number
  }
  readonly svcca: { readonly mean: number; readonly kept: readonly number[] }
  readonly cca?: {
    readonly mean: number
    readonly meanSquared: number
    readonly first: number
    readonly ranks: readonly number[]
    readonly pwcca: { readonly fromX: number; readonly fromY: number }
  }
  readonly procrustes: { readonly nuclear: number; readonly squaredDistance: number; readonly angle: number }
}
interface Stored {
  readonly seed: string
  readonly rows: number
  readonly dims: Readonly<Record<string, number>>
  readonly sets: Readonly<Record<string, Summary>>
  readonly rdm: Readonly<Record<string, Readonly<Record<Dissimilarity, Summary>>>>
  readonly rbfMedianSquaredDistance: Readonly<Record<string, { readonly withDiagonal: number; readonly offDiagonal: number }>>
  readonly minibatch: number
  readonly pairs: Readonly<Record<string, Pair>>
}

let fast: Awaited<ReturnType<typeof openProduct>>
const product: MatrixProduct = (...parameters) => fast.product(...parameters)
beforeAll(async () => {
  fast = await openProduct()
})
afterAll(() => fast.close())

describe.each(['compare-300.json', 'compare-500.json'])('%s', file => {
  const { seed, rows, dims, sets, rdm, rbfMedianSquaredDistance, minibatch, pairs } = stored<Stored>(file)
  const names = Object.keys(dims)
  const made = new Map<string, Matrix>(names.map(name => [name, featureSet(seed, name, rows, dims[name]!)]))

  it('makes the sets', () => {
    for (const name of names) expect(differenceFrom(sets[name]!, made.get(name)!.data), name).toBeLessThan(1e-12)
  })

  it('computes dissimilarities', async () => {
    for (const name of names) {
      for (const [kind, expected] of Object.entries(rdm[name]!)) {
        const { values, undefinedRows } = await computeRdm(sourceOf(made.get(name)!), kind as Dissimilarity, { product, blockBytes: 1e6 })
        expect(differenceFrom(expected, values), `${name} ${kind}`).toBeLessThan(1e-10)
        expect(undefinedRows).toEqual([])
      }
    }
  })

  it('correlates them', async () => {
    for (const kind of ['pearson', 'euclidean'] as const) {
      const ranked = new Map<string, ReturnType<typeof rankedRdm>>()
      for (const name of names) {
        const { values } = await computeRdm(sourceOf(made.get(name)!), kind, { product })
        ranked.set(name, rankedRdm(rows, values, dissimilarityTies(kind)))
      }
      for (const [pair, expected] of Object.entries(pairs)) {
        const [a = '', b = ''] = pair.split('|')
        const { kendallTauA, pearson, spearman } = expected.rsa[kind]!
        const found = rsa(ranked.get(a)!, ranked.get(b)!)
        for (const [measure, value] of Object.entries({ kendallTauA, pearson, spearman })) {
          // A set with itself has tau-a below 1 where rows are tied.
          expect(Math.abs(found[measure as keyof Measures]! - value), `${pair} ${kind} ${measure}`).toBeLessThan(1e-9)
        }
      }
    }
  })

  it('aligns linear kernels, by rows and by columns', async () => {
    const sources = names.map(name => sourceOf(made.get(name)!))
    const narrow = names.filter(name => dims[name]! < rows / 3)
    for (const [chosen, memoryBytes] of [[names, 20e6] as const, [narrow, 1e6] as const]) {
      const of = chosen.map(name => sources[names.indexOf(name)]!)
      const found = await linearCka(of, { product, minibatch, memoryBytes })
      let at = 0
      for (const [i, a] of chosen.entries()) {
        for (const b of chosen.slice(i)) {
          const { cka } = pairs[`${a}|${b}`]!
          const { biased, debiased, hsic0, hsic1, minibatch: batches } = found[at++]!
          expect(Math.abs(biased! - cka.biased), `${a} ${b}`).toBeLessThan(1e-9)
          expect(Math.abs(debiased! - cka.debiased), `${a} ${b}`).toBeLessThan(1e-9)
          expect(Math.abs(batches! - cka.minibatch), `${a} ${b}`).toBeLessThan(1e-9)
          expect(Math.abs(hsic0 / cka.hsic0 - 1), `${a} ${b}`).toBeLessThan(1e-9)
          expect(Math.abs(hsic1! / cka.hsic1 - 1), `${a} ${b}`).toBeLessThan(1e-9)
        }
      }
    }
  })

  it('aligns Gaussian kernels', async () => {
    const squares = new Map<string, Float64Array>()
    for (const name of names) {
      squares.set(name, (await computeRdm(sourceOf(made.get(name)!), 'sqeuclidean', { product })).values)
      const median = medianSquaredDistance(squares.get(name)!, rows)
      expect(median / rbfMedianSquaredDistance[name]!.withDiagonal).toBeCloseTo(1, 9)
    }
    for (const fraction of [0.5, 1]) {
      const kernels = new Map(names.map(name => [name, gaussianKernel(squares.get(name)!, rows, fraction)]))
      for (const [pair, { cka }] of Object.entries(pairs)) {
        const [a = '', b = ''] = pair.split('|')
        const { biased, debiased } = rbfCka(kernels.get(a)!, kernels.get(b)!)
        expect(Math.abs(biased! - cka.rbf[fraction]!), pair).toBeLessThan(1e-9)
        if (fraction === 1) expect(Math.abs(debiased! - cka.rbfDebiased), pair).toBeLessThan(1e-9)
      }
    }
  })

  it('correlates directions, and turns one set to the other', async () => {
    // Vectors of wide sets take most of the time: one of them, and one pair of it.
    const chosen = ['base', 'constant', 'duplicate', 'half', 'twin', 'noise', 'wide'].filter(
      name => made.has(name) && (dims[name]! < rows || name === 'wide'),
    )
    const values = new Map<string, Matrix>()
    for (const name of chosen) values.set(name, await centred(sourceOf(made.get(name)!)))
    const prepared = new Map(chosen.map(name => [name, ccaSet(values.get(name)!)]))
    const turned = new Map(chosen.filter(name => name !== 'wide').map(name => [name, procrustesSet(values.get(name)!)]))
    for (const [pair, expected] of Object.entries(pairs)) {
      const [a = '', b = ''] = pair.split('|')
      if ((a !== 'base' && pair !== 'wide|noise') || !prepared.has(b)) continue
      const [x, y] = [prepared.get(a)!, prepared.get(b)!]
      const found = svcca(x, y)
      expect(found.kept, pair).toEqual(expected.svcca.kept)
      expect(Math.abs(found.mean! - expected.svcca.mean), pair).toBeLessThan(1e-8)
      const canonical = cca(x, y)
      expect(canonical === null, pair).toBe(expected.cca === undefined)
      if (canonical !== null && expected.cca !== undefined) {
        expect(canonical.ranks).toEqual(expected.cca.ranks)
        for (const key of ['mean', 'meanSquared', 'first'] as const) expect(canonical[key]!, pair).toBeCloseTo(expected.cca[key], 9)
        for (const key of ['fromX', 'fromY'] as const) expect(canonical.pwcca[key]!, pair).toBeCloseTo(expected.cca.pwcca[key], 9)
      }
      if (a === 'wide' || b === 'wide') continue
      const distance = procrustes(turned.get(a)!, turned.get(b)!)!
      expect(distance.nuclear, pair).toBeCloseTo(expected.procrustes.nuclear, 9)
      expect(distance.squaredDistance, pair).toBeCloseTo(expected.procrustes.squaredDistance, 9)
      expect(distance.angle, pair).toBeCloseTo(expected.procrustes.angle, 5)
    }
  })
})
