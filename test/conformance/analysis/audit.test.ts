import {
  classifierTest,
  columnDeviations,
  driftTest,
  duplicateGroups,
  fitPca,
  foldsOf,
  labelScores,
  matrix,
  type Matrix,
  type MatrixProduct,
  nearestNeighbours,
  nearestRatios,
  type Neighbours,
  outlierScores,
  outOfFoldProbabilities,
  type Pca,
  pcaProjector,
  sourceOf,
  withNeighbours,
} from '@layermill/analysis'
import { openProduct } from '@layermill/engines'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { picture, uniform } from '../golden.js'
import { fashion, order, type Pictures, rowsOf } from './fashion.js'

/** Share of pairs of a suspect and another row in which the suspect has the larger score. */
function auroc(scores: readonly number[], suspect: ReadonlySet<number>): number {
  const sorted = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!)
  let [others, sum] = [0, 0]
  for (const row of sorted) {
    if (suspect.has(row)) sum += others
    else others++
  }
  return sum / (others * suspect.size)
}

const side = 28

/** JPEG of quality 60 and back. */
async function recompressed(grey: Uint8Array): Promise<Uint8Array> {
  const jpeg = await sharp(grey, { raw: { width: side, height: side, channels: 1 } })
    .jpeg({ quality: 60 })
    .toBuffer()
  return new Uint8Array(await sharp(jpeg).greyscale().raw().toBuffer())
}

/** The inner 98%, bilinear, at the size of the whole. */
async function cropped(grey: Uint8Array): Promise<Uint8Array> {
  const at = (i: number): { low: number; high: number; share: number } => {
    const place = Math.min(side - 1, Math.max(0, 0.01 * side + 0.98 * (i + 0.5) - 0.5))
    return { low: Math.floor(place), high: Math.min(side - 1, Math.floor(place) + 1), share: place % 1 }
  }
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const [y, x] = [at(Math.floor(i / side)), at(i % side)]
    const across = (row: number): number => grey[row * side + x.low]! * (1 - x.share) + grey[row * side + x.high]! * x.share
    return Math.round(across(y.low) * (1 - y.share) + across(y.high) * y.share)
  })
}

const brighter = async (grey: Uint8Array): Promise<Uint8Array> => grey.map(value => Math.min(255, Math.floor(1.05 * value + 0.5)))

/** A picture turned by 15 degrees about its centre, bilinear, black outside. */
function turnedBy15(values: Float64Array): Float64Array {
  const [cos, sin, middle] = [Math.cos(Math.PI / 12), Math.sin(Math.PI / 12), (side - 1) / 2]
  const pixel = (y: number, x: number): number => (y < 0 || x < 0 || y >= side || x >= side ? 0 : values[y * side + x]!)
  return Float64Array.from({ length: side * side }, (_, i) => {
    const [dy, dx] = [Math.floor(i / side) - middle, (i % side) - middle]
    const [y, x] = [middle + cos * dy - sin * dx, middle + cos * dx + sin * dy]
    const [top, left] = [Math.floor(y), Math.floor(x)]
    const across = (row: number): number => pixel(row, left) * (1 - x + left) + pixel(row, left + 1) * (x - left)
    return across(top) * (1 - y + top) + across(top + 1) * (y - top)
  })
}

/** Bars of the stored values' README. The pictures are in LAYERMILL_TEST_FASHION. */
describe('audit of Fashion-MNIST (Debian: dataset-fashion-mnist)', () => {
  const rows = 10_000
  let fast: Awaited<ReturnType<typeof openProduct>>
  const product: MatrixProduct = (...parameters) => fast.product(...parameters)
  let train: Pictures
  let subset: number[]
  let pixels: Matrix
  let fit: Pca
  let components: Matrix
  let near: Neighbours
  const reduced = async (x: Matrix): Promise<Matrix> => matrix(x.rows, 50, await pcaProjector(fit, product).project(x.data, x.rows))

  beforeAll(async () => {
    fast = await openProduct()
    train = fashion('train')
    subset = order('an1:subset', 60_000).slice(0, rows)
    pixels = rowsOf(train, subset)
    fit = await fitPca(sourceOf(pixels), { product, components: 50 })
    components = await reduced(pixels)
    near = await nearestNeighbours(sourceOf(components), { product, count: 20 })
  })
  afterAll(() => fast.close())

  it('fits the components of the stored values', () => {
    const ratios = fit.explainedVariance.map(value => value / fit.totalVariance)
    expect(subset.slice(0, 3)).toEqual([567, 58_234, 59_459])
    expect(ratios[0]!).toBeCloseTo(0.2913529738038424, 9)
    expect(ratios.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0.8640858386275047, 9)
  })

  it.each([
    ['symmetric', 'selfConfidence', 0.95, 0.8, 0.985],
    ['pair', 'margin', 0.86, 0.57, 0.95],
  ] as const)('finds %s label errors by %s', async (kind, score, at100, at500, area) => {
    const flips = order('an1:flip', rows).slice(0, 500)
    const pair = [6, 3, 4, 1, 2, 7, 0, 9, 6, 7]
    const labels = Uint8Array.from(subset, place => train.labels[place]!)
    for (const row of flips)
      labels[row] = kind === 'pair' ? pair[labels[row]!]! : (labels[row]! + 1 + Math.floor(9 * uniform('an1:flipto', row))) % 10
    const alone = outOfFoldProbabilities(components, labels, 10, foldsOf(rows, 5, '0'), { c: 1 })
    const found = withNeighbours(
      alone,
      10,
      row => near.places.subarray(20 * row, 20 * row + 20),
      place => labels[place],
    )
    const scores = labelScores(found, labels, 10)[score]
    const worst = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!)
    const suspect = new Set(flips)
    const precision = (n: number): number => worst.slice(0, n).filter(row => suspect.has(row)).length / n
    expect(precision(100)).toBeGreaterThanOrEqual(at100)
    expect(precision(500)).toBeGreaterThanOrEqual(at500)
    expect(
      auroc(
        [...scores].map(value => -value),
        suspect,
      ),
    ).toBeGreaterThanOrEqual(area)
  })

  it('finds near duplicates by the ratio of distances: recompressed, cropped, brighter and exact ones', async () => {
    const sources = order('an1:plant', rows)
    const kinds = [recompressed, cropped, brighter, async (grey: Uint8Array) => grey] as const
    const planted = kinds.flatMap((change, kind) =>
      sources.slice(100 * kind, kind === 3 ? 350 : 100 * (kind + 1)).map(row => ({ row, kind, change })),
    )
    const all = matrix(rows + planted.length, 784)
    all.data.set(pixels.data)
    for (const [i, { row, change }] of planted.entries()) {
      const copy = await change(Uint8Array.from(pixels.data.subarray(row * 784, (row + 1) * 784), value => Math.round(value * 255)))
      for (let j = 0; j < 784; j++) all.data[(rows + i) * 784 + j] = copy[j]! / 255
    }
    const neighbours = await nearestNeighbours(sourceOf(all), { product, count: 10 })
    const ratios = nearestRatios(neighbours)
    const own = new Set(planted.map(({ row }) => row))
    const missed = planted.filter((_, i) => ratios[rows + i]! >= 0.5).map(({ kind }) => kind)
    expect(missed).toEqual([])
    expect([...ratios.subarray(0, rows)].filter((ratio, row) => ratio < 0.5 && !own.has(row)).length).toBeLessThanOrEqual(60)
    const places = new Map(duplicateGroups(neighbours).flatMap((group, number) => group.map(row => [row, number] as const)))
    expect(planted.every(({ row }, i) => places.has(row) && places.get(row) === places.get(rows + i))).toBe(true)
  })

  it('finds single outliers, and groups of pictures that are alike', async () => {
    const inverted = order('an1:outlier', rows).slice(0, 25)
    const odd = matrix(50, 784)
    for (const [i, row] of inverted.entries()) for (let j = 0; j < 784; j++) odd.data[i * 784 + j] = 1 - pixels.data[row * 784 + j]!
    for (let i = 25; i < 50; i++) {
      const values = picture(`an1:outlier${i - 25}`, 28, 28)
      for (let j = 0; j < 784; j++) odd.data[i * 784 + j] = values[3 * j + 1]! / 255
    }
    const together = matrix(rows + 50, 784)
    together.data.set(pixels.data)
    together.data.set(odd.data, pixels.data.length)
    // Components of all pictures, as the stored values have them: a group of its own takes a direction.
    const own = await fitPca(sourceOf(together), { product, components: 50 })
    const all = matrix(rows + 50, 50, await pcaProjector(own, product).project(together.data, together.rows))
    const neighbours = await nearestNeighbours(sourceOf(all), { product, count: 40 })
    const scores = [...outlierScores(neighbours)]
    const among = (from: number): number => {
      const kept = scores.slice(0, rows).concat(scores.slice(from, from + 25))
      return auroc(kept, new Set(Array.from({ length: 25 }, (_, i) => rows + i)))
    }
    expect(among(rows)).toBeGreaterThanOrEqual(0.98)
    // The distance to the 40th neighbour alone has 0.9767.
    expect(among(rows + 25)).toBeGreaterThanOrEqual(0.99)
  })

  it('sees drift, and no drift where there is none', async () => {
    const test = fashion('t10k')
    const deviations = await columnDeviations(sourceOf(components), new Float64Array(50))
    // All of the stored values' draws take minutes.
    const draws = process.env['LAYERMILL_CAMPAIGN'] === '1' ? 200 : 5
    const seen = {
      alarms: 0,
      'half from classes 0-4': 0,
      'a quarter turned': 0,
      'classifier alarms': 0,
      'classifier, all from classes 0-4': 0,
    }
    for (let draw = 0; draw < draws; draw++) {
      const shuffledRows = order(`an1:draw${draw}`, 10_000)
      const [reference, fresh] = [shuffledRows.slice(0, 300), shuffledRows.slice(300, 600)]
      const few = shuffledRows.slice(600).filter(row => test.labels[row]! < 5)
      const options = { product, permutations: 99, seed: String(draw) }
      const of = async (places: readonly number[]): Promise<Matrix> => reduced(rowsOf(test, places))
      const start = await of(reference)
      const turned = rowsOf(test, fresh)
      for (let row = 0; row < 75; row++) turned.data.set(turnedBy15(turned.data.subarray(row * 784, (row + 1) * 784)), row * 784)
      const drifts = async (rowsOfDraw: Matrix): Promise<number> =>
        (await driftTest(start, rowsOfDraw, deviations, options)).p <= 0.05 ? 1 : 0
      seen.alarms += await drifts(await of(fresh))
      seen['half from classes 0-4'] += await drifts(await of([...few.slice(0, 150), ...fresh.slice(150)]))
      seen['a quarter turned'] += await drifts(await reduced(turned))
      if (classifierTest(start, await of(fresh), deviations, String(draw)).p <= 0.05) seen['classifier alarms']++
      if (classifierTest(start, await of(few.slice(0, 300)), deviations, String(draw)).p <= 0.05) seen['classifier, all from classes 0-4']++
    }
    process.stdout.write(`drift in ${draws} draws: ${JSON.stringify(seen)}\n`)
    const [quiet, sure] = [Math.max(1, 0.085 * draws), draws === 200 ? 0.95 * draws : draws - 1]
    expect(seen.alarms).toBeLessThanOrEqual(quiet)
    expect(seen['half from classes 0-4']).toBeGreaterThanOrEqual(sure)
    expect(seen['a quarter turned']).toBeGreaterThanOrEqual(sure)
    expect(seen['classifier alarms']).toBeLessThanOrEqual(quiet)
    expect(seen['classifier, all from classes 0-4']).toBeGreaterThanOrEqual(sure)
  }, 900_000)
})
