/** The ranks of some values: equal values share one. */
export interface Ranking {
  /** Of each value the number of smaller distinct ones. */
  readonly dense: Uint32Array
  /** Average rank, from 1, of each distinct value. */
  readonly averages: Float64Array
  /** How many values share each. */
  readonly counts: Uint32Array
}

/**
 * Ranks of values that are all finite. In n log n; -0 and 0 are equal.
 * @param ties values within this of the smallest of their group are equal: what rounding moves apart
 */
export function rank(values: Float64Array, ties = 0): Ranking {
  const sorted = values.slice().sort()
  let distinct = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i]! > sorted[distinct - 1]! + ties) sorted[distinct++] = sorted[i]!
  const keys = sorted.subarray(0, distinct)
  const dense = new Uint32Array(values.length)
  const counts = new Uint32Array(distinct)
  for (let i = 0; i < values.length; i++) {
    const place = search(keys, values[i]!)
    dense[i] = place
    counts[place]!++
  }
  const averages = new Float64Array(distinct)
  let before = 0
  for (let place = 0; place < distinct; place++) {
    averages[place] = before + (counts[place]! + 1) / 2
    before += counts[place]!
  }
  return { dense, averages, counts }
}

/** The last key that is not above a value. */
function search(keys: Float64Array, value: number): number {
  let low = 0
  let high = keys.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (keys[middle]! <= value) low = middle
    else high = middle - 1
  }
  return low
}

/** Average ranks of the values, from 1. */
export function averageRanks({ dense, averages }: Ranking): Float64Array {
  const ranks = new Float64Array(dense.length)
  for (let i = 0; i < dense.length; i++) ranks[i] = averages[dense[i]!]!
  return ranks
}

const pairsOf = (count: number): number => (count * (count - 1)) / 2

/** Places sorted by rank; places of equal rank stay in the order of `places`. */
function sortByRank(places: Uint32Array, { dense, counts }: Ranking): Uint32Array {
  const next = new Uint32Array(counts.length)
  for (let rankNumber = 1; rankNumber < counts.length; rankNumber++) next[rankNumber] = next[rankNumber - 1]! + counts[rankNumber - 1]!
  const sorted = new Uint32Array(places.length)
  for (let i = 0; i < places.length; i++) sorted[next[dense[places[i]!]!]!++] = places[i]!
  return sorted
}

/** Pairs out of order, counted by merging; `values` is sorted. */
function countInversions(values: Uint32Array): number {
  let from = values
  let to: Uint32Array = new Uint32Array(values.length)
  let inversions = 0
  for (let width = 1; width < values.length; width *= 2) {
    for (let start = 0; start < values.length; start += 2 * width) {
      const middle = Math.min(values.length, start + width)
      const end = Math.min(values.length, start + 2 * width)
      let [left, right, at] = [start, middle, start]
      while (left < middle && right < end) {
        if (from[left]! <= from[right]!) {
          to[at++] = from[left++]!
        } else {
          inversions += middle - left
          to[at++] = from[right++]!
        }
      }
      while (left < middle) to[at++] = from[left++]!
      while (right < end) to[at++] = from[right++]!
    }
    ;[from, to] = [to, from]
  }
  return inversions
}

/**
 * Kendall's tau-a: concordant less discordant pairs, over all pairs; pairs tied on either side count as neither (Nili et al. 2014). In n
 * log n (Knight 1966).
 *
 * @returns null for fewer than two values
 */
export function kendallTauA(x: Ranking, y: Ranking): number | null {
  const n = x.dense.length
  if (n < 2) return null
  const order = sortByRank(
    sortByRank(
      Uint32Array.from({ length: n }, (_, i) => i),
      y,
    ),
    x,
  )
  const tied = ({ counts }: Ranking): number => counts.reduce((sum, count) => sum + pairsOf(count), 0)
  let both = 0
  for (let start = 0, i = 1; i <= n; i++) {
    if (i < n && x.dense[order[i]!] === x.dense[order[start]!] && y.dense[order[i]!] === y.dense[order[start]!]) continue
    both += pairsOf(i - start)
    start = i
  }
  const discordant = countInversions(order.map(place => y.dense[place]!))
  return (pairsOf(n) - tied(x) - tied(y) + both - 2 * discordant) / pairsOf(n)
}

/**
 * Pearson's correlation, sums of centred products in order.
 * @returns null where either side does not vary, or there are fewer than two values
 */
export function pearson(x: Float64Array, y: Float64Array): number | null {
  const n = x.length
  if (n < 2) return null
  const [mx, my] = [meanOf(x), meanOf(y)]
  let [xx, yy, xy] = [0, 0, 0]
  let [varies, otherVaries] = [false, false]
  for (let i = 0; i < n; i++) {
    const a = x[i]! - mx
    const b = y[i]! - my
    xx += a * a
    yy += b * b
    xy += a * b
    varies ||= x[i] !== x[0]
    otherVaries ||= y[i] !== y[0]
  }
  if (!varies || !otherVaries || xx === 0 || yy === 0) return null
  return xy / (Math.sqrt(xx) * Math.sqrt(yy))
}

/** The mean, from differences to the first value. */
export function meanOf(values: Float64Array): number {
  const first = values[0] ?? 0
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! - first
  return first + sum / values.length
}

/** Spearman's correlation: Pearson's of average ranks. */
export const spearman = (x: Ranking, y: Ranking): number | null => pearson(averageRanks(x), averageRanks(y))
