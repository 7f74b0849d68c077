import { expect, it } from 'vitest'
import { fillSfc32 } from './sfc32.js'

it('is sfc32', () => {
  // From a = 1, b = 2, c = 3 and the counter 1, by hand: a + b + counter, then a = b ^ (b >>> 9), b = 9c, c = rotl(c, 21) + sum.
  const state = Int32Array.of(1, 2, 3, 1)
  const target = new Int32Array(2)
  fillSfc32(state, target)
  expect([...target]).toEqual([4, 2 + 27 + 2])
})

it('gives the same numbers in pieces of any length', () => {
  const seed = [0x12345678, -5, 77, 1]
  const whole = new Int32Array(100)
  fillSfc32(Int32Array.from(seed), whole)
  const state = Int32Array.from(seed)
  const pieces = new Int32Array(100)
  let start = 0
  for (const length of [1, 2, 17, 80]) {
    fillSfc32(state, pieces.subarray(start, start + length))
    start += length
  }
  expect(pieces).toEqual(whole)
})
