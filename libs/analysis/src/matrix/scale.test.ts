import { expect, it } from 'vitest'
import { matrix } from './matrix.js'
import { sourceOf } from './row-source.js'
import { dividedSource, extremeScale } from './scale.js'

const ofValues = (rows: number, values: readonly number[]) => sourceOf(matrix(rows, values.length / rows, Float64Array.from(values)))

it('divides numbers whose squares float64 cannot hold by a power of two, exactly, and leaves all others as they are', async () => {
  for (const size of [1e160, 1e-160, 5e-320, 1.7e308]) {
    const values = [1, -0.75, 0, 0.5].map(value => value * size)
    const scale = await extremeScale(ofValues(2, values))
    expect(Number.isInteger(Math.log2(scale))).toBe(true)
    const divided = await dividedSource(ofValues(2, values), scale).read(0, 2)
    expect(Math.abs(divided[0]!)).toBeGreaterThanOrEqual(1)
    expect(Math.abs(divided[0]!)).toBeLessThan(2)
    expect([...divided].map(value => value * scale)).toEqual(values)
  }
  for (const values of [
    [3, 1e15],
    [1e-15, 0],
    [0, 0],
    [Infinity, 1e200],
  ])
    expect(await extremeScale(ofValues(1, values))).toBe(1)
})
