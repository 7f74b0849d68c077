import {
  centred,
  columnDeviations,
  columnMeans,
  fitPca,
  matrix,
  type MatrixProduct,
  normalizeRows,
  pcaProjector,
  sourceOf,
  sparseProjection,
  subtractRow,
  zcaWhiten,
} from '@layermill/analysis'
import { openProduct } from '@layermill/engines'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differenceFrom, type Summary } from '../summary.js'
import { featureSet, stored } from './sets.js'

interface StoredPca {
  readonly numericalRank: number
  readonly totalVariance: number
  readonly mean: Summary
  readonly explainedVariance: readonly number[]
  readonly componentsVBased: Summary
  readonly signMargin: readonly number[]
  readonly projected: Summary
  readonly projectedRow0: readonly number[]
  readonly whitened: Summary
  readonly whitenedRow0: readonly number[]
  readonly zca?: { readonly epsilon: number; readonly output: Summary }
}
interface Stored {
  readonly seed: string
  readonly rows: number
  readonly dims: Readonly<Record<string, number>>
  readonly pca: Readonly<Record<string, StoredPca>>
  readonly srp: Readonly<
    Record<string, { readonly columns: number; readonly k: number; readonly value: number; readonly theory: { readonly stdRatio: number } }>
  >
  readonly centringAndNorms: Readonly<Record<string, Readonly<Record<string, Summary>>>>
}

let fast: Awaited<ReturnType<typeof openProduct>>
const product: MatrixProduct = (...parameters) => fast.product(...parameters)
beforeAll(async () => {
  fast = await openProduct()
})
afterAll(() => fast.close())

describe.each(['reduce-300.json', 'reduce-500.json'])('%s', file => {
  const { seed, rows, dims, pca, srp, centringAndNorms } = stored<Stored>(file)

  it.each(Object.keys(pca))('principal components of %s', async name => {
    const values = featureSet(seed, name, rows, dims[name]!)
    const expected = pca[name]!
    const fit = await fitPca(sourceOf(values), { product, components: Infinity })
    expect(fit.rank).toBe(expected.numericalRank)
    expect(fit.components.rows).toBe(expected.numericalRank)
    expect(fit.totalVariance / expected.totalVariance).toBeCloseTo(1, 9)
    expect(differenceFrom(expected.mean, fit.mean)).toBeLessThan(1e-12)
    for (const [i, variance] of expected.explainedVariance.entries()) expect(fit.explainedVariance[i]! / variance).toBeCloseTo(1, 9)
    expect(Math.min(...expected.signMargin)).toBeGreaterThan(1e-6)
    const first = matrix(8, values.columns, fit.components.data.slice(0, 8 * values.columns))
    expect(differenceFrom(expected.componentsVBased, first.data)).toBeLessThan(1e-8)
    const eight = { mean: fit.mean, components: first, explainedVariance: fit.explainedVariance.slice(0, 8) }
    for (const [whiten, summary, row] of [
      [false, expected.projected, expected.projectedRow0],
      [true, expected.whitened, expected.whitenedRow0],
    ] as const) {
      const projected = await pcaProjector(eight, product, whiten).project(values.data, rows)
      expect(differenceFrom(summary, projected)).toBeLessThan(1e-8)
      for (const [i, value] of row.entries()) expect(projected[i]!).toBeCloseTo(value, 7)
    }
    if (expected.zca !== undefined)
      expect(differenceFrom(expected.zca.output, await zcaWhiten(fit, values.data, rows, product, expected.zca.epsilon))).toBeLessThan(1e-8)
  })

  it('centres and scales', async () => {
    for (const [name, expected] of Object.entries(centringAndNorms)) {
      const values = featureSet(seed, name, rows, dims[name]!)
      const source = sourceOf(values)
      const { columns } = values
      const means = await columnMeans(source)
      const shifted = (await centred(source)).data
      const unit = normalizeRows(values.data.slice(), columns)
      const deviations = await columnDeviations(source, means)
      const made: Readonly<Record<string, Float64Array>> = {
        centred: shifted,
        l2: unit,
        centredThenL2: normalizeRows(shifted.slice(), columns),
        l2ThenCentred: subtractRow(unit.slice(), await columnMeans(sourceOf(matrix(rows, columns, unit)))),
        'standardised (ddof 0)': shifted.map((value, i) => value / (deviations[i % columns]! || 1)),
      }
      for (const [key, summary] of Object.entries(expected))
        expect(differenceFrom(summary, made[key]!), `${name} ${key}`).toBeLessThan(1e-9)
    }
  })

  it('projects at random as theory says', () => {
    for (const [name, { columns, k, value, theory }] of Object.entries(srp)) {
      const values = featureSet(seed, name, rows, columns)
      const [a, b] = [0, Math.floor(rows / 2)]
      const difference = Float64Array.from({ length: columns }, (_, j) => values.data[a * columns + j]! - values.data[b * columns + j]!)
      const length = difference.reduce((sum, x) => sum + x * x, 0)
      const seeds = 120
      const ratios = Array.from({ length: seeds }, (_, i) => {
        const projected = sparseProjection(columns, k, `seed:${i}`).project(difference)
        return projected.reduce((sum, x) => sum + x * x, 0) / length
      })
      const mean = ratios.reduce((sum, x) => sum + x, 0) / seeds
      const std = Math.sqrt(ratios.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (seeds - 1))
      expect(Math.abs(mean - 1), name).toBeLessThan((4 * theory.stdRatio) / Math.sqrt(seeds))
      expect(Math.abs(std / theory.stdRatio - 1), name).toBeLessThan(0.25)
      const entries = new Map<number, number>()
      const map = sparseProjection(columns, k, '7')
      for (let j = 0; j < columns; j++) {
        for (const entry of map.project(Float64Array.from({ length: columns }, (_, i) => (i === j ? 1 : 0)))) {
          const rounded = Number(entry.toPrecision(12))
          entries.set(rounded, (entries.get(rounded) ?? 0) + 1)
        }
        if (j === 255) break
      }
      const most = Number(value.toPrecision(12))
      expect(
        [...entries.keys()].every(entry => [0, most, -most].includes(entry)),
        `${name}: ${[...entries.keys()].join()}`,
      ).toBe(true)
      const drawn = Math.min(256, columns) * k
      const density = 1 / Math.sqrt(columns)
      const nonZero = drawn - (entries.get(0) ?? 0)
      expect(Math.abs(nonZero - drawn * density)).toBeLessThan(4 * Math.sqrt(drawn * density * (1 - density)))
      expect(Math.abs((entries.get(most) ?? 0) - nonZero / 2)).toBeLessThan(2 * Math.sqrt(nonZero))
    }
  })
})
