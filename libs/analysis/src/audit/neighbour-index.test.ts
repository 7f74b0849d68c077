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

it('asks an index for more rows where few give too little recall', async () => {
  const exact = await nearestNeighbours(source, options)
  const asked: number[] = []
  /** An index that finds the nearest only among 192 rows or more. */
  const open: OpenNeighbourIndex = columns => {
    const rows: number[] = []
    return {
      add: (_, values) => void rows.push(...values),
      search: (values, count) => {
        asked.push(count)
        if (count < 192) return firstRows(count)(columns).search(values, count)
        const all = matrix(rows.length / columns, columns, Float64Array.from(rows))
        const found = Array.from({ length: values.length / columns }, (_, i) => {
          const squares = Array.from({ length: all.rows }, (_, row) =>
            values.subarray(i * columns, (i + 1) * columns).reduce((sum, value, k) => sum + (value - all.data[row * columns + k]!) ** 2, 0),
          )
          return [...squares.keys()].sort((a, b) => squares[a]! - squares[b]!).slice(0, count)
        })
        return {
          places: BigUint64Array.from(found.flat(), BigInt),
          squares: new Float32Array(found.flat().length),
          found: new BigUint64Array(found.length).fill(BigInt(count)),
        }
      },
    }
  }
  const found = await indexedNeighbours(source, open, options)
  expect(asked).toEqual([4, 128, 192, 192])
  expect(found.recall).toBeGreaterThan(0.99)
  expect([...found.places].filter((place, at) => place === exact.places[at]).length / exact.places.length).toBeGreaterThan(0.99)
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
