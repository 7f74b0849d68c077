import { describe, expect, it } from 'vitest'
import { addArrays, inChunks } from './tensor-sum.js'

describe('addArrays', () => {
  it('adds each to its own and rounds every sum to float32', async () => {
    const targets = [Float32Array.of(1e8, 1), new Float32Array(0), Float32Array.of(-2)]
    await addArrays(targets, [Float32Array.of(1, 2), new Float32Array(0), Float32Array.of(2)])
    expect(targets.map(values => [...values])).toEqual([[1e8, 3], [], [0]])
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
    expect(ranges).toEqual([[0, 0, chunk - 1], [2, 0, 1], [2, 1, 3], [3, 0, chunk - 2], [3, chunk - 2, chunk]])
    expect(seen.slice(0, 3)).toEqual([[0, 0, chunk - 1], [2, 0, 1], 'turn'])
  })
})
