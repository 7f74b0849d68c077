import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { matrix } from '../matrix/matrix.js'
import { classifierTest, fairTail } from './classifier-test.js'

const columns = 4
const ones = new Float64Array(columns).fill(1)

function rows(count: number, seed: string, shift: (row: number) => number): ReturnType<typeof matrix> {
  const random = new Random(seed)
  const values = matrix(count, columns)
  // A sum of uniform numbers is near enough to a normal one.
  for (let at = 0; at < values.data.length; at++) {
    let sum = -6
    for (let k = 0; k < 12; k++) sum += random.uint32() / 2 ** 32
    values.data[at] = sum + (at % columns === 1 ? shift(Math.floor(at / columns)) : 0)
  }
  return values
}

it('has the binomial tail', () => {
  expect(fairTail(10, 0)).toBeCloseTo(1, 12)
  expect(fairTail(10, 10)).toBeCloseTo(2 ** -10, 15)
  expect(fairTail(10, 8)).toBeCloseTo(56 / 1024, 12)
  // Whole numbers: the sum of C(2000, k) from 1060 on, over 2 ** 2000.
  expect(fairTail(2000, 1060)).toBeCloseTo(0.00389, 5)
})

it('tells sets apart whose rows differ, and names the rows that make the difference', () => {
  const found = classifierTest(
    rows(200, 'old', () => 0),
    rows(240, 'new', row => (row % 2 === 0 ? 4 : 0)),
    ones,
    '0',
  )
  expect(found.p).toBeLessThan(1e-3)
  expect(found.scores).toHaveLength(200)
  const highest = [...found.scores.keys()].sort((a, b) => found.scores[b]! - found.scores[a]!).slice(0, 30)
  expect(highest.every(row => row % 2 === 0)).toBe(true)
})

it('sees no difference where there is none, also between sets of different sizes', () => {
  const found = classifierTest(
    rows(150, 'one', () => 0),
    rows(900, 'two', () => 0),
    ones,
    '0',
  )
  expect(found.accuracy).toBeLessThan(0.58)
  expect(found.p).toBeGreaterThan(0.01)
})
