import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { GradientSum, updateRunningStatistics } from './gradient-sum.js'

const part = (samples: number, ...values: number[]): Parameters<GradientSum['add']>[1] => {
  const tensor: Tensor = { shape: [values.length], data: Float32Array.from(values) }
  return { gradients: new Map([['p', tensor]]), samples, loss: 3 * samples, correct: 1 }
}

describe('GradientSum', () => {
  it('adds in float32 in the order of the indices and divides by the samples', async () => {
    const sum = new GradientSum()
    await sum.add(0, part(4, 1e8, 1))
    await sum.add(1, part(4, 1, 2))
    await sum.add(2, part(2, -1e8, 7))
    const { gradients, samples, loss, accuracy } = await sum.mean()
    // 1e8 + 1 is 1e8 in float32: another order would give 0.1.
    expect([...gradients.get('p')!.data]).toEqual([0, 1])
    expect({ samples, loss, accuracy }).toEqual({ samples: 10, loss: 3, accuracy: 0.3 })
  })

  it('refuses another order, other gradients, and nothing', async () => {
    const sum = new GradientSum()
    await expect(sum.mean()).rejects.toThrow(/no micro-batch/)
    await expect(sum.add(1, part(1, 1))).rejects.toThrow(/micro-batch 1 came where 0 is next/)
    await sum.add(0, part(1, 1))
    await expect(sum.add(1, part(1, 1, 2))).rejects.toThrow(/other gradients/)
    expect(sum.nextIndex).toBe(1)
  })
})

describe('updateRunningStatistics', () => {
  it('keeps `decay` of what was', () => {
    const [mean, variance] = [Float32Array.of(1, 0), Float32Array.of(2, 4)]
    updateRunningStatistics(mean, variance, { mean: Float32Array.of(11, 10), variance: Float32Array.of(0, 14) }, 0.9)
    expect(mean[0]).toBeCloseTo(2, 6)
    expect(mean[1]).toBeCloseTo(1, 6)
    expect(variance[0]).toBeCloseTo(1.8, 6)
    expect(variance[1]).toBeCloseTo(5, 6)
  })
})
