import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { type Matrix, takeRows } from '../matrix/matrix.js'
import { foldsOf } from './labels.js'
import { fitLogistic, logisticLoss, probabilities } from './logistic.js'

export interface CrossValidationOptions {
  /** Inverse strengths of the penalty to try, each fitted to the same folds. */
  readonly cs: readonly number[]
  /** 3 or more. */
  readonly folds: number
  /** Times that all is done with other folds. */
  readonly repeats: number
  readonly seed: string
  /** Columns are centred and scaled by the rows that a fit is made of. */
  readonly standardize: boolean
  readonly iterations?: number
  readonly signal?: AbortSignal
  readonly onFit?: (done: number, total: number) => void
}

/** Quality of a linear classifier on rows that it has not seen. */
export interface CrossValidated {
  readonly c: number
  /** Mean over folds and repeats, 0 to 1, and its 95% interval. */
  readonly accuracy: number
  readonly lower: number
  readonly upper: number
  /** Mean cross entropy of the rows left out. */
  readonly logLoss: number
  /** Of each fold, repeat after repeat. */
  readonly accuracies: readonly number[]
}

/** The quantile of Student's t distribution above which 2.5% lie, by its expansion around the normal one (Abramowitz and Stegun 26.7.5). */
export function studentQuantile(freedom: number): number {
  const z = 1.959963984540054
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160,
  ]
  return terms.reduce((sum, term, i) => sum + term / freedom ** (i + 1), z)
}

/**
 * Mean of values of folds and its 95% interval, widened for the rows that their fits share (Nadeau and Bengio 2003).
 * @param values of all folds, repeat after repeat; at least two
 */
export function foldInterval(values: readonly number[], folds: number): { mean: number; lower: number; upper: number } {
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  const margin = studentQuantile(n - 1) * Math.sqrt(variance * (1 / n + 1 / (folds - 1)))
  return { mean, lower: mean - margin, upper: mean + margin }
}

/** Centres and scales the columns of both by those of the first, in place; constant columns are 0. */
function standardizeBy(fitted: Matrix, other: Matrix): void {
  for (let j = 0; j < fitted.columns; j++) {
    let [sum, squares] = [0, 0]
    for (let i = 0; i < fitted.rows; i++) sum += fitted.data[i * fitted.columns + j]!
    const mean = sum / fitted.rows
    for (let i = 0; i < fitted.rows; i++) squares += (fitted.data[i * fitted.columns + j]! - mean) ** 2
    const deviation = Math.sqrt(squares / fitted.rows)
    for (const { data, rows, columns } of [fitted, other])
      for (let i = 0; i < rows; i++) data[i * columns + j] = deviation === 0 ? 0 : (data[i * columns + j]! - mean) / deviation
  }
}

function accuracyOf(found: Float64Array, labels: readonly number[], classes: number): number {
  let right = 0
  for (const [row, label] of labels.entries()) {
    let best = 0
    for (let k = 1; k < classes; k++) if (found[row * classes + k]! > found[row * classes + best]!) best = k
    if (best === label) right++
  }
  return right / labels.length
}

/**
 * How well a logistic regression on rows tells classes apart, by rows that it has not seen (Kornblith et al. 2019 fit such probes by
 * L-BFGS). The interval widens the variance of the folds' means for the rows that their fits share (Nadeau and Bengio 2003).
 * @param labels a class from 0 for each row
 * @returns one for each of `cs`, in their order
 */
export async function crossValidate(
  x: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  options: CrossValidationOptions,
): Promise<CrossValidated[]> {
  const { cs, folds, repeats, seed, standardize, iterations = 1000, signal, onFit } = options
  const scores = cs.map(() => ({ accuracies: [] as number[], loss: 0 }))
  const total = repeats * folds * cs.length
  let done = 0
  for (let repeat = 0; repeat < repeats; repeat++) {
    const places = foldsOf(x.rows, folds, repeat === 0 ? seed : `${seed}:${repeat}`)
    for (let fold = 0; fold < folds; fold++) {
      const split = (held: boolean): number[] => Array.from(places.keys()).filter(row => (places[row] === fold) === held)
      const [inside, outside] = [split(false), split(true)]
      const [fitted, left] = [takeRows(x, inside), takeRows(x, outside)]
      if (standardize) standardizeBy(fitted, left)
      const [known, unknown] = [inside.map(row => labels[row]!), outside.map(row => labels[row]!)]
      for (const [i, c] of cs.entries()) {
        const model = fitLogistic(fitted, known, classes, { c, iterations })
        scores[i]!.accuracies.push(accuracyOf(probabilities(model, left), unknown, classes))
        scores[i]!.loss += (logisticLoss(model, left, unknown) * unknown.length) / (x.rows * repeats)
        onFit?.(++done, total)
        await yieldToOthers()
        signal?.throwIfAborted()
      }
    }
  }
  return cs.map((c, i) => {
    const { accuracies, loss } = scores[i]!
    const { mean: accuracy, lower, upper } = foldInterval(accuracies, folds)
    return { c, accuracy, lower: Math.max(0, lower), upper: Math.min(1, upper), logLoss: loss, accuracies }
  })
}
