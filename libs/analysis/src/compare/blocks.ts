/** Sets of a comparison that one job takes alone. */
const fewSets = 6
/** Groups that sets are dealt to at most: more of them form the same dissimilarities in more jobs. */
const mostGroups = 4

const triangle = (groups: number): number => (groups * (groups + 1)) / 2

/**
 * Number of blocks that the work on all pairs of sets falls into: one for the sums of linear CKA, which serve all pairs at once, and one
 * for each pair of groups of sets. 0 where there are so few sets that it stays whole.
 */
export function comparisonBlocks(sets: number): number {
  return sets < fewSets ? 0 : 1 + triangle(Math.min(mostGroups, Math.floor(sets / 3)))
}

/** Work of one block of a comparison. */
export interface PairBlock {
  /** The sums of linear CKA, of all pairs. */
  readonly sums: boolean
  /** Whether a pair of sets, in either order, is among it: its other measures. */
  has(a: number, b: number): boolean
}

/** The block of a place, from 0; each pair of sets is in one block. @param count as `comparisonBlocks` gives it */
export function pairBlock(place: number, count: number, sets: number): PairBlock {
  if (place === 0) return { sums: true, has: () => false }
  let groups = 1
  while (1 + triangle(groups) < count) groups++
  const groupOf = (set: number): number => Math.floor((set * groups) / sets)
  return {
    sums: false,
    has: (a, b) => {
      const [low, high] = [Math.min(groupOf(a), groupOf(b)), Math.max(groupOf(a), groupOf(b))]
      return 1 + triangle(high) + low === place
    },
  }
}
