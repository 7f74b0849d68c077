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

/** Images of two classes: what float32 and int8 take each for, and its label. */
function held(images: readonly (readonly [fp32: 0 | 1, int8: 0 | 1, label?: number])[]): Agreement {
  const agreement = new Agreement(['scores'], 'scores')
  const of = (likeliest: 0 | 1) => new Map([['scores', likeliest === 0 ? row(1, 0) : row(0, 1)]])
  for (const [fp32, int8, label] of images) agreement.add(of(fp32), of(int8), label)
  return agreement
}

it('goes by the labels of images for the classes: int8 recognises 99% of what float32 does', () => {
  const scores = new Set(['scores'])
  // As many are lost as won: others than float32's, and as good.
  const even = held([
    [0, 0, 0],
    [0, 1, 0],
    [0, 1, 1],
    [1, 1, 1],
  ])
  expect(even.report).toMatchObject({ top1: 0.5, labelled: { images: 4, fp32: 0.75, int8: 0.75, decides: true } })
  expect(even.below(scores)).toEqual([])
  const worse = held([
    [0, 0, 0],
    [0, 1, 0],
    [1, 1],
  ])
  expect(worse.report).toMatchObject({ labelled: { images: 2, fp32: 1, int8: 0.5, decides: true } })
  expect(worse.below(scores)).toEqual(['scores'])
  const most = Array.from({ length: 99 }, () => [0, 0, 0] as const)
  expect(held([...most, [0, 1, 0]]).below(scores)).toEqual([])
  expect(held([...most.slice(1), [0, 1, 0]]).below(scores)).toEqual(['scores'])
})

it('goes by float32 where it misses most of the labels, which mean something else then', () => {
  const other = held([
    [0, 0, 1],
    [0, 1, 1],
    [1, 1, 0],
  ])
  expect(other.report).toMatchObject({ labelled: { images: 3, fp32: 0, decides: false } })
  expect(other.below(new Set(['scores']))).toEqual(['scores'])
  expect(held([[0, 0, 1]]).below(new Set(['scores']))).toEqual([])
  expect(held([[0, 0]]).report).not.toHaveProperty('labelled')
})
