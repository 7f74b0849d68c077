import { describe, expect, it } from 'vitest'
import { type Answers, judge } from './gate.js'

const images = Array.from({ length: 200 }, (_, i) => ({ key: `${i}.png`, label: i % 2 === 0 ? 'cat' : 'dog' }))

/** A version that takes the first `wrong` images for something else. */
function answers(version: number, wrong: number, classes: readonly string[] = ['cat', 'dog']): Answers {
  return { version, classes, predicted: new Map(images.map(({ key, label }, i) => [key, i < wrong ? 'neither' : label])) }
}

describe('judge', () => {
  it('promotes what is better or about as good, and keeps what may be worse than the margin', async () => {
    const of = async (wrong: number, margin: number): Promise<boolean> =>
      (await judge({ images, champion: answers(1, 20), challenger: answers(2, wrong), margin })).promoted
    expect(await of(5, 0)).toBe(true)
    expect(await of(20, 0.01)).toBe(true)
    expect(await of(22, 0.03)).toBe(true)
    // A loss of 1% that may as well be one of 2.5%.
    expect(await of(22, 0.02)).toBe(false)
    expect(await of(60, 0.05)).toBe(false)
    // Equal answers prove nothing better than equal.
    expect(await of(20, 0)).toBe(false)
  })

  it('says why, in numbers', async () => {
    const { reason, numbers } = await judge({ images, champion: answers(1, 20), challenger: answers(2, 60), margin: 0.01 })
    expect(reason).toMatch(
      /^accuracy 70\.0% on 200 held-out images, version 1 has 90\.0%: the difference is -20\.0%, with 95% confidence above -2\d\.\d%, which is not within the margin of 1\.0%$/,
    )
    expect(numbers).toMatchObject({
      champion: { version: 1, correct: 180, accuracy: 0.9 },
      challenger: { version: 2, correct: 140 },
      bootstrap: { difference: -0.2 },
    })
  })

  it('counts images all of whose labels are right where they have several', async () => {
    const both = images.map(({ key }, i) => ({ key, label: JSON.stringify(i % 2 === 0 ? ['cat'] : ['cat', 'dog']) }))
    const exact = { version: 1, classes: ['cat', 'dog'], predicted: new Map(both.map(({ key, label }) => [key, label])) }
    const cats = { ...exact, version: 2, predicted: new Map(both.map(({ key }) => [key, '["cat"]'])) }
    const { numbers, compared, promoted } = await judge({
      images: both,
      champion: exact,
      challenger: cats,
      margin: 0.1,
      isMultiLabel: true,
    })
    expect({ compared, promoted }).toEqual({ compared: 200, promoted: false })
    expect(numbers).toMatchObject({ champion: { accuracy: 1 }, challenger: { accuracy: 0.5 } })
    const fewer = await judge({ images: both, champion: { ...exact, classes: ['cat'] }, challenger: cats, margin: 0.1, isMultiLabel: true })
    expect(fewer.compared).toBe(100)
  })

  it('compares new classes away, and does not let go of old ones by itself', async () => {
    const onlyCats = await judge({ images, champion: answers(1, 20, ['cat']), challenger: answers(2, 0), margin: 0.01 })
    expect(onlyCats).toMatchObject({ promoted: true, images: 200, compared: 100, numbers: { classes: { added: ['dog'], removed: [] } } })
    expect(onlyCats.reason).toContain('without the new class dog')
    const without = await judge({ images, champion: answers(1, 20), challenger: answers(2, 0, ['dog']), margin: 0.01 })
    expect(without).toMatchObject({ promoted: false, numbers: { classes: { removed: ['cat'] } } })
    expect(without.reason).toMatch(/^it does not know cat, which version 1 knows/)
    const nothing = await judge({ images, champion: answers(1, 0, ['bird']), challenger: answers(2, 0, ['bird', 'cat']), margin: 1 })
    expect(nothing).toMatchObject({ promoted: false, compared: 0 })
  })
})
