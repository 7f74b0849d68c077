import { expect, it } from 'vitest'
import { indexedNeighbours, leastRecall, matrix, nearestNeighbours, plainProduct, type RowSource, sourceOf } from '@layermill/analysis'
import { Random } from '@layermill/core'
import { auditImages } from './findings.js'
import { loadNeighbourIndex } from './neighbour-index.js'

/** Rows in 20 classes on 8 directions, with copies of the first ones at the end. */
function rowsOf(rows: number, columns: number, copies: number): RowSource {
  const random = new Random('neighbour-index')
  const [directions, rank] = [Float64Array.from({ length: 8 * columns }, () => random.between(-1, 1)), 8]
  const centres = Float64Array.from({ length: 20 * rank }, () => random.between(-2, 2))
  const x = matrix(rows, columns)
  for (let i = 0; i < rows; i++) {
    if (i >= rows - copies) {
      x.data.copyWithin(i * columns, (i - rows + copies) * columns, (i - rows + copies + 1) * columns)
      continue
    }
    for (let k = 0; k < rank; k++) {
      const factor = centres[(i % 20) * rank + k]! + random.between(-1, 1)
      for (let j = 0; j < columns; j++) x.data[i * columns + j]! += factor * directions[k * columns + j]!
    }
    for (let j = 0; j < columns; j++) x.data[i * columns + j]! += random.between(-0.1, 0.1)
  }
  return sourceOf(x)
}

it('an index finds 95% of the neighbours at least, the same ones each time, and tells its recall', async () => {
  const source = rowsOf(1200, 24, 0)
  const by = { product: plainProduct, count: 40 }
  const open = loadNeighbourIndex()
  const [exact, found, again] = [
    await nearestNeighbours(source, by),
    await indexedNeighbours(source, open, by),
    await indexedNeighbours(source, open, by),
  ]
  expect(again.places).toEqual(found.places)
  let [hits, apart] = [0, 0]
  for (let row = 0; row < source.rows; row++) {
    const own = new Set(exact.places.subarray(row * 40, (row + 1) * 40))
    for (const place of found.places.subarray(row * 40, (row + 1) * 40)) if (own.has(place)) hits++
    apart = Math.max(apart, Math.abs(found.distances[row * 40]! / exact.distances[row * 40]! - 1))
  }
  const recall = hits / exact.places.length
  expect(recall).toBeGreaterThan(leastRecall)
  expect(Math.abs(found.recall - recall)).toBeLessThan(0.02)
  // Half precision.
  expect(apart).toBeLessThan(0.02)
})

it('an audit by an index finds the copies that an exact one finds', async () => {
  const source = rowsOf(500, 24, 25)
  const none = Array.from({ length: source.rows }, () => undefined)
  const images = { source, keys: Array.from(none, (_, row) => `${row}.png`), labels: none, sha256: none.map(() => ''), sizes: [] }
  const options = { product: plainProduct, seed: '0', labelScore: 'margin', labels: 0, outliers: 5 } as const
  const audit = async (openIndex?: ReturnType<typeof loadNeighbourIndex>) =>
    auditImages(images, { ...options, openIndex, signal: new AbortController().signal, onProgress: () => {} })
  const [exact, indexed] = [await audit(), await audit(loadNeighbourIndex())]
  const copies = (audited: typeof exact): string[] => audited.findings.flatMap(({ score, key }) => (score === 0 ? [key] : [])).sort()
  expect(exact.recall).toBeUndefined()
  expect(indexed.recall).toBeGreaterThan(leastRecall)
  expect(copies(exact)).toHaveLength(50)
  expect(copies(indexed)).toEqual(copies(exact))
})
