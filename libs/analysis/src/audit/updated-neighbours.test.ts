import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { matrix, plainProduct } from '../matrix/matrix.js'
import { sourceOf, takenRows } from '../matrix/row-source.js'
import { nearestNeighbours } from './neighbours.js'
import { updatedNeighbours } from './updated-neighbours.js'

const random = new Random('updated-neighbours')
const rows = 240
const source = sourceOf(
  matrix(
    rows,
    6,
    Float64Array.from({ length: rows * 6 }, () => random.between(-1, 1)),
  ),
)
const options = { product: plainProduct, count: 7 }
const all = Array.from({ length: rows }, (_, row) => row)

it.each([
  ['rows come', (row: number) => row < 200, () => true],
  ['rows go', () => true, (row: number) => row % 11 !== 0],
  ['rows come and go in the middle', (row: number) => row % 7 !== 0, (row: number) => row % 13 !== 3],
  ['nothing changes', () => true, () => true],
] as const)('are those of all rows anew: %s', async (_, wasThere, isThere) => {
  const [was, is] = [all.filter(wasThere), all.filter(isThere)]
  const before = Int32Array.from(is, row => was.indexOf(row))
  const now = takenRows(source, is)
  const exact = await nearestNeighbours(now, options)
  const told: number[] = []
  const found = await updatedNeighbours(now, await nearestNeighbours(takenRows(source, was), options), before, {
    ...options,
    onProgress: (done, total) => told.push(done / total),
  })
  expect(found.places).toEqual(exact.places)
  for (const [at, distance] of found.distances.entries()) expect(distance).toBeCloseTo(exact.distances[at]!, 12)
  expect(told.at(-1) ?? 1).toBe(1)
})

it('follow rows that have other places now', async () => {
  const turned = all.toReversed()
  const data = Float64Array.from(await source.read(0, rows))
  const now = matrix(rows, 6)
  for (const [i, row] of turned.entries()) now.data.set(data.subarray(row * 6, row * 6 + 6), i * 6)
  const found = await updatedNeighbours(sourceOf(now), await nearestNeighbours(source, options), Int32Array.from(turned), options)
  expect(found.places).toEqual((await nearestNeighbours(sourceOf(now), options)).places)
})

it('keep the precision of those of an index', async () => {
  const was = all.slice(0, 200)
  const earlier = await nearestNeighbours(takenRows(source, was), options)
  const found = await updatedNeighbours(
    source,
    { ...earlier, distances: Float32Array.from(earlier.distances) },
    Int32Array.from(all, row => (row < 200 ? row : -1)),
    options,
  )
  expect(found.distances).toBeInstanceOf(Float32Array)
  expect(found.places).toEqual((await nearestNeighbours(source, options)).places)
})
