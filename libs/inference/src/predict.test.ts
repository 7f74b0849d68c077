import { expect, it } from 'vitest'
import { topClasses } from './predict.js'

it('sorts by probability, then by class', () => {
  const top = topClasses(Float32Array.of(0.25, 0.5, 0.25, 0), ['a', 'b', 'c', 'd'], 3)
  expect(top.map(({ label }) => label)).toEqual(['b', 'a', 'c'])
  expect(top[0]).toEqual({ index: 1, label: 'b', probability: 0.5 })
})
