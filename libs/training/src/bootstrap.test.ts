import { describe, expect, it } from 'vitest'
import { pairedBootstrap } from './bootstrap.js'
import { seededRandom } from './random.js'

/** `both` images that both know, then `lost` that only the champion knows, `won` that only the challenger does, and `none`. */
function answers(both: number, lost: number, won: number, none: number): { champion: boolean[]; challenger: boolean[] } {
  const rows = (count: number, row: [boolean, boolean]): [boolean, boolean][] => Array.from({ length: count }, () => row)
  const all = [...rows(both, [true, true]), ...rows(lost, [true, false]), ...rows(won, [false, true]), ...rows(none, [false, false])]
  return { champion: all.map(([known]) => known), challenger: all.map(([, known]) => known) }
}

describe('pairedBootstrap', () => {
  it('has no spread where both answer alike, or one is always right and the other never', async () => {
    const same = answers(30, 0, 0, 10)
    expect(await pairedBootstrap(same.champion, same.challenger)).toEqual({
      difference: 0,
      lower: 0,
      confidence: 0.95,
      resamples: 10_000,
      seed: 0,
    })
    const better = answers(0, 0, 25, 0)
    expect(await pairedBootstrap(better.champion, better.challenger)).toMatchObject({ difference: 1, lower: 1 })
  })

  it('gives the bound of the normal approximation where there are many images', async () => {
    const { champion, challenger } = answers(1500, 100, 160, 240)
    const { difference, lower } = await pairedBootstrap(champion, challenger, { resamples: 4000 })
    expect(difference).toBe(0.03)
    // Standard error of a mean of 2,000 gains of which 260 are +-1.
    const error = Math.sqrt((0.13 - 0.03 ** 2) / 2000)
    expect(lower).toBeGreaterThan(0.03 - 1.645 * error - 0.0015)
    expect(lower).toBeLessThan(0.03 - 1.645 * error + 0.0015)
  })

  it('is the exact quantile where all resamples can be counted', async () => {
    // One gain among four images: a resample's sum is binomial(4, 1/4), which is 0 in 31.6% of them.
    const { champion, challenger } = answers(1, 0, 1, 2)
    expect((await pairedBootstrap(champion, challenger, { confidence: 0.7 })).lower).toBe(0)
    expect((await pairedBootstrap(champion, challenger, { confidence: 0.66 })).lower).toBe(0.25)
  })

  it('depends on the seed and on nothing else', async () => {
    const { champion, challenger } = answers(200, 70, 90, 40)
    const of = async (seed: number): Promise<number> =>
      (await pairedBootstrap(champion, challenger, { seed, resamples: 11, confidence: 0.6 })).lower
    expect(await of(3)).toBe(await of(3))
    expect(new Set(await Promise.all([1, 2, 3, 4, 5, 6].map(of))).size).toBeGreaterThan(1)
  })

  it('bounds the true difference about as often as it says', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = seededRandom(seed)
    const [onlyChampion, onlyChallenger, trials] = [0.1, 0.14, 400]
    let covered = 0
    for (let trial = 0; trial < trials; trial++) {
      const draws = Array.from({ length: 200 }, () => random.next())
      const champion = draws.map(draw => draw < onlyChampion || draw > 0.5)
      const challenger = draws.map(draw => (draw >= onlyChampion && draw < onlyChampion + onlyChallenger) || draw > 0.5)
      const { lower } = await pairedBootstrap(champion, challenger, { resamples: 400, seed: trial })
      if (lower <= onlyChallenger - onlyChampion) covered++
    }
    // 95% of 400 trials, less or more than five standard deviations.
    expect(covered / trials, `seed ${seed}`).toBeGreaterThan(0.88)
    expect(covered / trials, `seed ${seed}`).toBeLessThan(1)
  })

  it('refuses what cannot be compared', async () => {
    await expect(pairedBootstrap([], [])).rejects.toThrow(expect.objectContaining({ code: 'EVALUATION_INVALID' }))
    await expect(pairedBootstrap([true], [true, false])).rejects.toThrow('1 and 2 images')
    await expect(pairedBootstrap([true], [true], { confidence: 1 })).rejects.toThrow('confidence of 1')
  })
})
