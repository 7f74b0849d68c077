import { expect, it } from 'vitest'
import { comparisonBlocks, pairBlock } from './blocks.js'

it('deals each pair of sets to one block, and leaves few sets whole', () => {
  expect([1, 5, 6, 8, 9, 12, 37].map(comparisonBlocks)).toEqual([0, 0, 4, 4, 7, 11, 11])
  for (const sets of [6, 9, 13, 37]) {
    const count = comparisonBlocks(sets)
    const blocks = Array.from({ length: count }, (_, place) => pairBlock(place, count, sets))
    expect(blocks.map(({ sums }) => sums)).toEqual(blocks.map((_, place) => place === 0))
    const taken = blocks.map(() => 0)
    for (let a = 0; a < sets; a++) {
      for (let b = a; b < sets; b++) {
        const found = [...blocks.entries()].filter(([, block]) => block.has(a, b)).map(([place]) => place)
        expect(found, `${a} and ${b} of ${sets}`).toHaveLength(1)
        expect(blocks[found[0]!]!.has(b, a)).toBe(true)
        taken[found[0]!]!++
      }
    }
    expect(taken.slice(1).every(pairs => pairs > 0)).toBe(true)
  }
  // Fewer sets than their number promised leave blocks empty, and no pair out.
  expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter(place => pairBlock(place, 11, 1).has(0, 0))).toHaveLength(1)
})
