import { expect, it } from 'vitest'
import { cosine } from '../part/cosine.js'
import { Agreement } from './agreement.js'

const row = (...data: number[]) => ({ shape: [data.length], data: Float32Array.from(data) })

it('measures the cosine of two rows', () => {
  expect(cosine(Float32Array.of(1, 2), Float32Array.of(2, 4))).toBeCloseTo(1, 12)
  expect(cosine(Float32Array.of(1, 0), Float32Array.of(0, 3))).toBe(0)
  expect(cosine(Float32Array.of(0, 0), Float32Array.of(0, 0))).toBe(1)
  expect(cosine(Float32Array.of(0, 0), Float32Array.of(1, 0))).toBe(0)
})

it('reports mean and smallest cosine of each layer, and how often the class is the same', () => {
  const agreement = new Agreement(['features'], 'scores')
  agreement.add(
    new Map([
      ['features', row(1, 0)],
      ['scores', row(0.1, 0.9)],
    ]),
    new Map([
      ['features', row(1, 0)],
      ['scores', row(0.2, 0.8)],
    ]),
  )
  agreement.add(
    new Map([
      ['features', row(1, 0)],
      ['scores', row(0.1, 0.9)],
    ]),
    new Map([
      ['features', row(0, 1)],
      ['scores', row(0.8, 0.2)],
    ]),
  )
  expect(agreement.report).toEqual({ compared: 2, cosine: { features: { mean: 0.5, smallest: 0 } }, top1: 0.5 })
})

it('names layers with an image that is too far off, and scores whose classes change', () => {
  const agreement = new Agreement(['near', 'far', 'scores'], 'scores')
  const exact = new Map([
    ['near', row(1, 0)],
    ['far', row(1, 0)],
    ['scores', row(1, 1.001)],
  ])
  agreement.add(exact, exact)
  expect(agreement.below(new Set(['scores']))).toEqual([])
  agreement.add(
    exact,
    new Map([
      ['near', row(1, 0.1)],
      ['far', row(1, 0.2)],
      ['scores', row(1.001, 1)],
    ]),
  )
  expect(agreement.below(new Set(['scores']))).toEqual(['far', 'scores'])
  expect(agreement.below(new Set())).toEqual(['far'])
})
