import { expect, it } from 'vitest'
import { Random } from '@layermill/core'
import { type Matrix, matrix, type MatrixProduct, plainProduct } from '../matrix/matrix.js'
import { sourceOf } from '../matrix/row-source.js'
import { type GramState, gramSums } from './gram.js'

const [rows, columns] = [70, 40]

const randomSet = (name: string, height: number, width: number): Matrix => {
  const random = new Random(`gram:${name}`)
  return matrix(
    height,
    width,
    Float64Array.from({ length: height * width }, () => random.between(-1, 1)),
  )
}
const sets = ['a', 'b', 'c', 'd', 'e'].map(name => randomSet(name, rows, columns))

/** Inner product of the Gram matrices of two sets without their diagonals. */
async function plainSum(a: Matrix, b: Matrix): Promise<number> {
  const [k, l] = [await plainProduct(a, a, 'nt'), await plainProduct(b, b, 'nt')]
  let sum = 0
  for (let i = 0; i < k.data.length; i++) if (i % (k.rows + 1) !== 0) sum += k.data[i]! * l.data[i]!
  return sum
}

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
      expect(Math.abs(whole.off[a * count + b]! - (await plainSum(sets[a]!, sets[b]!)))).toBeLessThan(1e-9)
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

it.each([2, 5])('forms the upper half of blocks on the diagonal, in tiles, of %i sets', async count => {
  const tall = sets.slice(0, count).map((_, i) => randomSet(`tall ${i}`, 531, 5))
  let numbers = 0
  const counted: MatrixProduct = async (a, b, form, target) => {
    const made = await plainProduct(a, b, form, target)
    if (a.columns === 5) numbers += made.data.length
    return made
  }
  const states: number[] = []
  const options = { product: counted, memoryBytes: 1 << 24, onBlock: async ({ done }: GramState) => void states.push(done) }
  const { off, squares } = await gramSums(tall.map(sourceOf), options)
  expect(states).toEqual([1])
  // Four tiles along a side: 10 of 16 are formed.
  expect(numbers / (count * 531 * 531)).toBeCloseTo(10 / 16, 2)
  for (let b = 0; b < count; b++) {
    expect(off[b]! / (await plainSum(tall[0]!, tall[b]!))).toBeCloseTo(1, 9)
    expect(squares[b]![530]).toBeCloseTo((await plainProduct(tall[b]!, tall[b]!, 'nt')).data[531 * 531 - 1]!, 12)
  }
})

it('leaves sums of blocks of another size alone', async () => {
  const sources = sets.slice(0, 2).map(sourceOf)
  const options = { product: plainProduct, memoryBytes }
  const whole = await gramSums(sources, options)
  const wrong = { size: 17, done: 3, off: new Float64Array(4).fill(9), squares: [new Float64Array(rows), new Float64Array(rows)] }
  expect((await gramSums(sources, { ...options, resumeFrom: wrong })).off).toEqual(whole.off)
})
