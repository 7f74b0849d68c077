import type { ModelHead } from '@layermill/models'
import { expect, it } from 'vitest'
import { judgeTargets, type TargetAnswers } from './gate-targets.js'

const heads: readonly ModelHead[] = [
  { name: 'species', classes: ['cat', 'dog'], target: undefined },
  { name: 'tags', classes: ['old', 'wild'], target: { kind: 'multi-label', thresholds: [0.5, 0.5] } },
  { name: 'kg', classes: ['kg'], target: { kind: 'regression' } },
]
/** Every second image has a class, the others a number: 0 or 4, whose mean distance from their mean is 2. */
const images = Array.from({ length: 200 }, (_, i) => ({
  key: `${i}.png`,
  label: JSON.stringify(i % 2 === 0 ? { species: i % 4 === 0 ? 'cat' : 'dog', tags: ['wild', 'old'] } : { kg: [i % 4 === 1 ? 0 : 4] }),
}))

/** A version whose numbers are off by so much, and that takes the first `wrong` animals for something else. */
function version(
  number: number,
  { wrong = 0, off = 0, has = heads }: { wrong?: number; off?: number; has?: readonly ModelHead[] } = {},
): TargetAnswers {
  const predicted = images.map(({ key, label }, i): [string, string] => {
    const { species, kg } = JSON.parse(label) as { species?: string; kg?: number[] }
    const answer = { species: i < wrong ? 'neither' : (species ?? 'cat'), tags: ['old', 'wild'], kg: [(kg?.[0] ?? 0) + off] }
    return [key, JSON.stringify(Object.fromEntries(Object.entries(answer).filter(([name]) => has.some(head => head.name === name))))]
  })
  return { version: number, classes: [], heads: has, predicted: new Map(predicted) }
}

const judged = async (champion: TargetAnswers, challenger: TargetAnswers, margin = 0.05) =>
  judgeTargets({ images, champion, challenger, margin })

it('promotes a version that meets each target about as well, and none that loses one', async () => {
  const same = await judged(version(1, { off: 1 }), version(2, { off: 1 }))
  expect(same).toMatchObject({ promoted: true, images: 200, compared: 100 })
  expect(same.targets).toEqual([
    { name: 'species', compared: 100, champion: 1, challenger: 1, difference: 0, lower: 0 },
    { name: 'tags', compared: 100, champion: 1, challenger: 1, difference: 0, lower: 0 },
    // Off by half of the mean distance.
    { name: 'kg', compared: 100, champion: 0.5, challenger: 0.5, difference: 0, lower: 0 },
  ])
  const worse = await judged(version(1, { off: 1 }), version(2, { off: 1.5 }))
  expect(worse.promoted).toBe(false)
  expect(worse.reason).toMatch(
    /species: accuracy 100\.0% on 100 .*; kg: score 25\.0% on 100 held-out images, version 1 has 50\.0%: .*not within the margin/,
  )
  // A better number does not make up for classes.
  expect((await judged(version(1, { off: 2 }), version(2, { wrong: 60 }))).promoted).toBe(false)
})

it('says why versions cannot be compared, and compares without new targets', async () => {
  const fewer = await judged(version(1), version(2, { has: heads.slice(0, 2) }))
  expect(fewer).toMatchObject({ promoted: false, reason: 'it does not have kg (regression), which version 1 has' })
  expect((await judged(version(1, { has: [] }), version(2))).reason).toBe('version 1 has no several targets: they cannot be compared')
  const more = await judged(version(1, { has: heads.slice(0, 1) }), version(2))
  expect(more.promoted).toBe(true)
  expect(more.targets!.map(({ name }) => name)).toEqual(['species'])
})
