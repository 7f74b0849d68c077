import { expect, it } from 'vitest'
import { Random } from '@layermill/core'
import { matrix, type MatrixProduct, plainProduct } from '../matrix/matrix.js'
import { sourceOf } from '../matrix/row-source.js'
import { type GramState, gramSums } from './gram.js'

const [rows, columns] = [70, 40]

const sets = ['a', 'b', 'c', 'd', 'e'].map(name => {
  const random = new Random(`gram:${name}`)
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.between(-1, 1)),
  )
})

/** Blocks of 16 rows, the fewest there are. */
const memoryBytes = 1
const copy = ({ size, done, off, squares }: GramState): GramState => ({
  size,
  done,
  off: off.slice(),
  squares: squares.map(s => s.slice()),
})

it.each([1, 5])('sums products of the Gram matrices of %i sets, and goes on after any block with the same bits', async count => {
  const sources = sets.slice(0, count).map(sourceOf)
  const states: GramState[] = []
  const whole = await gramSums(sources, { product: plainProduct, memoryBytes, onBlock: async state => void states.push(copy(state)) })
  expect(states.map(({ done }) => done)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1))
  const grams = await Promise.all(sets.slice(0, count).map(set => plainProduct(set, set, 'nt')))
  for (let a = 0; a < count; a++) {
    expect(whole.squares[a]![69]).toBeCloseTo(grams[a]!.data[69 * rows + 69]!, 12)
    for (let b = a; b < count; b++) {
      let sum = 0
      for (let i = 0; i < rows * rows; i++) if (i % (rows + 1) !== 0) sum += grams[a]!.data[i]! * grams[b]!.data[i]!
      expect(Math.abs(whole.off[a * count + b]! - sum)).toBeLessThan(1e-9)
    }
  }
  for (const done of [1, 7, 14]) {
    let products = 0
    const counted: MatrixProduct = (...parameters) => {
      products++
      return plainProduct(...parameters)
    }
    const again = await gramSums(sources, { product: counted, memoryBytes, resumeFrom: copy(states[done - 1]!) })
    expect([again.off, again.squares]).toEqual([whole.off, whole.squares])
    expect(products).toBe((15 - done) * (count + (count > 4 ? 1 : 0)))
  }
})

it('leaves sums of blocks of another size alone', async () => {
  const sources = sets.slice(0, 2).map(sourceOf)
  const options = { product: plainProduct, memoryBytes }
  const whole = await gramSums(sources, options)
  const wrong = { size: 17, done: 3, off: new Float64Array(4).fill(9), squares: [new Float64Array(rows), new Float64Array(rows)] }
  expect((await gramSums(sources, { ...options, resumeFrom: wrong })).off).toEqual(whole.off)
})
