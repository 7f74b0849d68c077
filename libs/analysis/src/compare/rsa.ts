import { Random } from '@layermill/core'
import { averageRanks, kendallTauA, pearson, rank, type Ranking } from './rank.js'
import { pairAt } from './rdm.js'

export const rsaMeasures = ['spearman', 'pearson', 'kendallTauA'] as const
export type RsaMeasure = (typeof rsaMeasures)[number]

/** Correlations of two RDMs; null where one of them does not vary. */
export type Rsa = Readonly<Record<RsaMeasure, number | null>>

/** An RDM with its ranks. */
export interface RankedRdm {
  readonly size: number
  readonly values: Float64Array
  readonly ranking: Ranking
  /** Differences up to this are none. */
  readonly ties: number
}

/**
 * Ranks an RDM.
 * @param ties as `dissimilarityTies` has it
 */
export const rankedRdm = (size: number, values: Float64Array, ties = 0): RankedRdm => ({ size, values, ranking: rank(values, ties), ties })

/** Representational similarity of two RDMs of the same rows: Spearman and Pearson correlation, Kendall's tau-a (Nili et al. 2014). */
export function rsa(x: RankedRdm, y: RankedRdm): Rsa {
  const flat = x.ranking.counts.length < 2 || y.ranking.counts.length < 2
  return {
    spearman: pearson(averageRanks(x.ranking), averageRanks(y.ranking)),
    pearson: pearson(x.values, y.values),
    kendallTauA: flat ? null : kendallTauA(x.ranking, y.ranking),
  }
}

/** A shuffle of 0 to n - 1 (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
  }
  return order
}

/** Values of an upper triangle after its rows and columns have been put into another order. */
export function reorder<Values extends Float64Array | Uint32Array>(values: Values, order: Uint32Array, target: Values): Values {
  const n = order.length
  for (let i = 0, at = 0; i < n; i++) {
    const a = order[i]!
    for (let j = i + 1; j < n; j++, at++) {
      const b = order[j]!
      target[at] = values[a < b ? pairAt(a, b, n) : pairAt(b, a, n)]!
    }
  }
  return target
}

export interface RsaTestOptions {
  /** Random orders, or samples; at least 1. */
  readonly draws: number
  /** Same seed, same numbers. */
  readonly seed: string
}

/** Share of random orders with at least the correlation, the true one counted: (1 + number) / (1 + draws) (Phipson and Smyth 2010). */
export type PermutationTest = Readonly<Record<RsaMeasure, number | null>>

/**
 * One-sided permutation test of the correlations of two RDMs: the rows of one are put into random orders (Mantel 1967).
 * @returns p for each measure; null where the measure is undefined
 */
export function permutationTest(x: RankedRdm, y: RankedRdm, { draws, seed }: RsaTestOptions): PermutationTest {
  const truth = rsa(x, y)
  const random = new Random(`rsa-permutation:${seed}`)
  const larger = { spearman: 0, pearson: 0, kendallTauA: 0 }
  const [values, dense] = [new Float64Array(x.values.length), new Uint32Array(x.values.length)]
  for (let draw = 0; draw < draws; draw++) {
    const order = shuffled(x.size, random)
    const turned: RankedRdm = {
      ...x,
      values: reorder(x.values, order, values),
      ranking: { ...x.ranking, dense: reorder(x.ranking.dense, order, dense) },
    }
    count(rsa(turned, y), truth, larger)
  }
  const p = (measure: RsaMeasure): number | null => (truth[measure] === null ? null : (1 + larger[measure]) / (1 + draws))
  return { spearman: p('spearman'), pearson: p('pearson'), kendallTauA: p('kendallTauA') }
}

function count(drawn: Rsa, truth: Rsa, larger: Record<RsaMeasure, number>): void {
  for (const measure of rsaMeasures) {
    // A draw that equals the truth but for rounding is as large.
    if (drawn[measure] !== null && truth[measure] !== null && drawn[measure] >= truth[measure] - 1e-12) larger[measure]++
  }
}

/** Bounds that hold 95% of the samples' correlations; null where a measure was undefined in all of them. */
export type Intervals = Readonly<Record<RsaMeasure, readonly [number, number] | null>>

/**
 * Bootstrap intervals of the correlations: rows are drawn with replacement, pairs of a row with itself left out (Nili et al. 2014).
 * Percentiles 2.5 and 97.5, interpolated.
 */
export function bootstrapIntervals(x: RankedRdm, y: RankedRdm, { draws, seed }: RsaTestOptions): Intervals {
  const random = new Random(`rsa-bootstrap:${seed}`)
  const found = { spearman: [] as number[], pearson: [] as number[], kendallTauA: [] as number[] }
  for (let draw = 0; draw < draws; draw++) {
    const rows = Uint32Array.from({ length: x.size }, () => random.below(x.size))
    const [a, b] = [sample(x.values, rows), sample(y.values, rows)]
    const drawn = rsa(rankedRdm(x.size, a, x.ties), rankedRdm(x.size, b, y.ties))
    for (const measure of rsaMeasures) if (drawn[measure] !== null) found[measure].push(drawn[measure])
  }
  return { spearman: bounds(found.spearman), pearson: bounds(found.pearson), kendallTauA: bounds(found.kendallTauA) }
}

function sample(values: Float64Array, rows: Uint32Array): Float64Array {
  const n = rows.length
  const taken = new Float64Array(values.length)
  let count = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const [a, b] = [rows[i]!, rows[j]!]
      if (a !== b) taken[count++] = values[pairAt(Math.min(a, b), Math.max(a, b), n)]!
    }
  }
  return taken.subarray(0, count)
}

function bounds(values: readonly number[]): readonly [number, number] | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)]
}

/** A quantile of sorted values, interpolated between the two nearest (type 7, as NumPy's default). */
export function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share
  const low = Math.floor(place)
  const high = Math.min(sorted.length - 1, low + 1)
  return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!)
}

/**
 * Partial correlation of two RDMs, a third held constant: (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)). Of ranks for Spearman.
 * @returns null where a correlation is undefined, or the third explains one of them entirely
 */
export function partialRsa(
  x: RankedRdm,
  y: RankedRdm,
  held: RankedRdm,
): { readonly spearman: number | null; readonly pearson: number | null } {
  const ranks = [x, y, held].map(({ ranking }) => averageRanks(ranking)) as [Float64Array, Float64Array, Float64Array]
  return { spearman: partial(...ranks), pearson: partial(x.values, y.values, held.values) }
}

function partial(x: Float64Array, y: Float64Array, z: Float64Array): number | null {
  const [xy, xz, yz] = [pearson(x, y), pearson(x, z), pearson(y, z)]
  if (xy === null || xz === null || yz === null) return null
  const rest = (1 - xz * xz) * (1 - yz * yz)
  return rest <= 1e-14 ? null : (xy - xz * yz) / Math.sqrt(rest)
}
