import { expect, it } from 'vitest'
import { differences, sameValue } from './differences.js'

it('takes values for the same in whatever order their fields are', () => {
  expect(sameValue({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toBe(true)
  expect(sameValue({ a: 1, b: undefined }, { a: 1 })).toBe(true)
  expect(sameValue([1, 2], [2, 1])).toBe(false)
  expect(sameValue(undefined, null)).toBe(false)
})

it('names what differs, with both values', () => {
  expect(differences({ a: 1, b: { c: 2 }, d: 'x', e: 1 }, { a: 1, b: { c: 3 }, e: 2, f: true }, new Set(['e']))).toEqual([
    'b was {"c":2}, is {"c":3}',
    'd was "x", is nothing',
    'f was nothing, is true',
  ])
})
