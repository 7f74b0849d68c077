import { expect, it } from 'vitest'
import { Random } from '@layermill/core'
import { matrix, plainProduct } from '../matrix/matrix.js'
import { sourceOf } from '../matrix/row-source.js'
import { indexedNeighbours, type OpenNeighbourIndex } from './neighbour-index.js'
import { nearestNeighbours } from './neighbours.js'

const random = new Random('neighbour-index')
const source = sourceOf(
  matrix(
    300,
    4,
    Float64Array.from({ length: 1200 }, () => 1000 + random.below(50)),
  ),
)
const options = { product: plainProduct, count: 3 }

/** An index that finds so many rows, always the first ones. */
const firstRows =
  (known: number): OpenNeighbourIndex =>
  columns => ({
    add: () => {},
    search: (rows, count) => {
      const queries = rows.length / columns
      return {
        places: BigUint64Array.from({ length: queries * count }, (_, i) => BigInt(i % count)),
        squares: new Float32Array(queries * count),
        found: new BigUint64Array(queries).fill(BigInt(Math.min(known, count))),
      }
    },
  })

it('computes exactly what an index does not find', async () => {
  const [exact, found] = [await nearestNeighbours(source, options), await indexedNeighbours(source, firstRows(1), options)]
  expect(found).toMatchObject({ recall: 1, count: 3 })
  expect(found.places).toEqual(exact.places)
  expect(found.distances).toEqual(Float32Array.from(exact.distances))
})

it('tells the recall of an index that finds other rows than the nearest', async () => {
  const { recall, places } = await indexedNeighbours(source, firstRows(4), options)
  // The first rows are the nearest of few.
  expect(recall).toBeLessThan(0.1)
  expect([...places.subarray(0, 6)]).toEqual([1, 2, 3, 0, 2, 3])
})

it('gives an index centred rows of a root mean square of 1, and distances in the features’ units', async () => {
  let [sum, squares] = [0, 0]
  const { distances } = await indexedNeighbours(
    source,
    columns => ({
      add: (_, rows) => {
        for (const value of rows) [sum, squares] = [sum + value, squares + value * value]
      },
      search: (rows, count) => {
        const found = firstRows(4)(columns).search(rows, count)
        return { ...found, squares: new Float32Array(found.places.length).fill(1) }
      },
    }),
    options,
  )
  expect(squares / 1200).toBeCloseTo(1, 5)
  expect(Math.abs(sum / 1200)).toBeLessThan(0.1)
  // Numbers below 50 have a deviation of 14.4.
  expect(distances[0]).toBeGreaterThan(13)
  expect(distances[0]).toBeLessThan(16)
})
