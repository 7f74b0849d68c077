import { describe, expect, it } from 'vitest'
import { chooseBatchSize, type ChoiceInput } from './choose.js'

/** Chooses with given milliseconds for each image by batch size; a size that is not there cannot be computed. */
async function choose(
  milliseconds: Readonly<Record<number, number>>,
  more: Partial<ChoiceInput> = {},
): Promise<{ chosen: number; tried: number[] }> {
  const tried: number[] = []
  let time = 1000
  const chosen = await chooseBatchSize({
    bytesPerImage: 1,
    budgetBytes: 1e9,
    limit: 1e9,
    clock: () => time,
    measure: async size => {
      tried.push(size)
      const each = milliseconds[size]
      if (each === undefined) return undefined
      time += (each * size) / 1000
      return (each * size) / 1000
    },
    ...more,
  })
  return { chosen, tried }
}

describe('chooseBatchSize', () => {
  it('goes on while larger batches are faster', async () => {
    expect(await choose({ 1: 64, 2: 32, 4: 16, 8: 8, 16: 4, 32: 2 })).toEqual({ chosen: 32, tried: [1, 2, 4, 8, 16, 32] })
    expect(await choose({ 1: 64, 2: 32, 4: 16, 8: 8, 16: 7.9, 32: 2 })).toEqual({ chosen: 8, tried: [1, 2, 4, 8, 16] })
  })

  it('takes the smallest within 5% of the fastest', async () => {
    // As measured on a CPU: ResNet-50, then VGG-16 at 64x64.
    expect(await choose({ 1: 40.7, 2: 37.9, 4: 37.5, 8: 41 })).toEqual({ chosen: 2, tried: [1, 2, 4] })
    expect(await choose({ 1: 9.6, 2: 7.1, 4: 6.9, 8: 6.8 })).toEqual({ chosen: 2, tried: [1, 2, 4] })
    expect(await choose({ 1: 10, 2: 10.4, 4: 9.6 })).toEqual({ chosen: 1, tried: [1, 2, 4] })
    // The second was slow by chance.
    expect((await choose({ 1: 10, 2: 12, 4: 5, 8: 5 })).chosen).toBe(4)
  })

  it('keeps to the memory', async () => {
    expect(await choose({ 1: 8, 2: 4, 4: 2, 8: 1 }, { bytesPerImage: 100, budgetBytes: 400 })).toEqual({ chosen: 4, tried: [1, 2, 4] })
    expect(await choose({ 1: 8, 2: 4 }, { bytesPerImage: 100, budgetBytes: 10 })).toEqual({ chosen: 1, tried: [1] })
    expect(await choose({ 1: 8, 2: 4 })).toEqual({ chosen: 2, tried: [1, 2, 4] })
    expect(await choose({})).toEqual({ chosen: 1, tried: [1] })
  })

  it('keeps to the time', async () => {
    // 1 s for the first, then 2 s would be needed.
    expect(await choose({ 1: 1000, 2: 500 }, { limit: 2.9 })).toEqual({ chosen: 1, tried: [1] })
    expect(await choose({ 1: 1000, 2: 500, 4: 250 }, { limit: 3 })).toEqual({ chosen: 2, tried: [1, 2] })
  })
})
