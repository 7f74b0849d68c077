import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { sparseProjection } from './projection.js'

it.each([
  ['fewer than three entries a column', 900, 40],
  ['more of them', 900, 200],
  ['columns of many entries beside empty ones', 30, 17],
])('sums the values with their signs in the order of the columns: %s', (_, columns, components) => {
  const projection = sparseProjection(columns, components, 'seed')
  const project = (values: Float32Array | Float64Array): Float64Array => projection.project(values)
  const random = new Random('projection')
  // Half of them zeros, as behind a ReLU.
  const values = Float32Array.from({ length: columns }, () => Math.max(0, random.between(-1, 1)))
  const scale = Math.sqrt(Math.sqrt(columns) / components)
  const sums = new Float64Array(components)
  let entries = 0
  for (let column = 0; column < columns; column++) {
    const unit = new Float64Array(columns)
    unit[column] = 1
    for (const [k, value] of project(unit).entries()) {
      if (value === 0) continue
      entries++
      expect(Math.abs(value)).toBeCloseTo(scale, 12)
      sums[k]! += Math.sign(value) * values[column]!
    }
  }
  expect(entries / (components * Math.sqrt(columns))).toBeGreaterThan(0.8)
  expect(project(values)).toEqual(sums.map(sum => sum * scale))
  expect(project(Float64Array.from(values))).toEqual(project(values))
})
