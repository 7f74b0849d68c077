import { describe, expect, it } from 'vitest'
import { addArrays, inChunks } from './tensor-sum.js'

describe('addArrays', () => {
  it('adds each to its own and rounds every sum to float32', async () => {
    const targets = [Float32Array.of(1e8, 1), new Float32Array(0), Float32Array.of(-2)]
    await addArrays(targets, [Float32Array.of(1, 2), new Float32Array(0), Float32Array.of(2)])
    expect(targets.map(values => [...values])).toEqual([[1e8, 3], [], [0]])
  })

  it.each([7, 8192, 8193, 20_001])('gives the sums of a loop for %i values, whose neighbours in memory stay', async length => {
    const values = (offset: number): Float32Array =>
      Float32Array.from({ length: length + 2 }, (_, i) => Math.sin(i * 1.7 + offset) * 10 ** (i % 9))
    const [target, added] = [values(0), values(1)]
    const expected = target.map((value, i) => (i === 0 || i === length + 1 ? value : value + added[i]!))
    await addArrays([target.subarray(1, length + 1)], [added.subarray(1, length + 1)])
    expect(target).toEqual(expected)
  })
})

describe('inChunks', () => {
  it('covers every element once, in order, and lets the event loop turn after 2^20 of them', async () => {
    const chunk = 1 << 20
    const seen: unknown[] = []
    const turn = (): void => {
      seen.push('turn')
      if (seen.length < 8) setImmediate(turn)
    }
    setImmediate(turn)
    await inChunks([chunk - 1, 0, 3, chunk], (...range) => seen.push(range))
    const ranges = seen.filter(entry => entry !== 'turn')
    expect(ranges).toEqual([
      [0, 0, chunk - 1],
      [2, 0, 1],
      [2, 1, 3],
      [3, 0, chunk - 2],
      [3, chunk - 2, chunk],
    ])
    expect(seen.slice(0, 3)).toEqual([[0, 0, chunk - 1], [2, 0, 1], 'turn'])
  })
})
