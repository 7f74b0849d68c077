import { type Matrix, matrix } from '../matrix/matrix.js'
import { foldsOf, outOfFoldProbabilities } from './labels.js'

/** Outcome of a classifier two-sample test. */
export interface ClassifierTest {
  /** Share of one half of the rows whose set is told rightly by a classifier of the other half; one half where the sets are alike. */
  readonly accuracy: number
  /** Chance of at least this accuracy by guessing: the tail of the binomial distribution. */
  readonly p: number
  /** Probability of each row of the second set to be of the second set. */
  readonly scores: Float64Array
}

/** P(X >= hits) for X of `count` fair coins, in float64 by logarithms. */
export function fairTail(count: number, hits: number): number {
  let logTerm = -count * Math.LN2
  let tail = hits <= 0 ? Math.exp(logTerm) : 0
  for (let k = 1; k <= count; k++) {
    logTerm += Math.log((count - k + 1) / k)
    if (k >= hits) tail += Math.exp(logTerm)
  }
  return Math.min(1, tail)
}

/**
 * Tells two sets of rows apart by a logistic regression (Lopez-Paz and Oquab 2017), fitted to one half of the rows and tried on the other:
 * only then are the hits independent, as the binomial distribution wants them. (The accuracy over several folds, read as binomial, raises
 * twice as many false alarms as it says.) Sets of different sizes would be told apart by their sizes: as many rows of each are looked at,
 * the first ones. Scores of the first half come from a classifier of the second.
 *
 * @param deviations that columns are divided by; 0 counts as 1
 */
export function classifierTest(reference: Matrix, fresh: Matrix, deviations: Float64Array, seed: string): ClassifierTest {
  const count = Math.min(reference.rows, fresh.rows)
  const { columns } = fresh
  const all = matrix(2 * count, columns)
  all.data.set(reference.data.subarray(0, count * columns))
  all.data.set(fresh.data.subarray(0, count * columns), count * columns)
  const scaled = matrix(
    all.rows,
    columns,
    all.data.map((value, at) => value / (deviations[at % columns]! || 1)),
  )
  const labels = Uint32Array.from({ length: all.rows }, (_, row) => (row < count ? 0 : 1))
  const halves = Uint32Array.from(['reference', 'fresh'].flatMap(name => [...foldsOf(count, 2, `classifier-test:${seed}:${name}`)]))
  const found = outOfFoldProbabilities(scaled, labels, 2, halves)
  const tried = [...halves.keys()].filter(row => halves[row] === 1)
  const hits = tried.filter(row => found[2 * row + labels[row]!]! > 0.5).length
  return {
    accuracy: hits / tried.length,
    p: fairTail(tried.length, hits),
    scores: Float64Array.from({ length: count }, (_, row) => found[2 * (count + row) + 1]!),
  }
}
