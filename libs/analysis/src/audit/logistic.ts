import type { Matrix } from '../matrix/matrix.js'

/** Weights of a multinomial logistic regression: classes x (columns + 1), the last of each the intercept. */
export interface LogisticModel {
  readonly classes: number
  readonly columns: number
  readonly weights: Float64Array
}

export interface LogisticOptions {
  /** Inverse strength of the penalty |W|^2 / (2 C), intercepts left out. Default 1. */
  readonly c?: number
  readonly iterations?: number
  readonly tolerance?: number
}

/** Probabilities of the classes, row after row. */
export function probabilities(model: LogisticModel, x: Matrix): Float64Array {
  const result = new Float64Array(x.rows * model.classes)
  fillProbabilities(model, x, result)
  return result
}

/** Four rows at once: each weight is loaded once for four sums. */
function fillProbabilities({ classes, columns, weights }: LogisticModel, { rows, data }: Matrix, result: Float64Array): void {
  let row = 0
  for (; row + 4 <= rows; row += 4) {
    const [r0, r1, r2, r3] = [row * columns, (row + 1) * columns, (row + 2) * columns, (row + 3) * columns]
    for (let k = 0; k < classes; k++) {
      const own = k * (columns + 1)
      let s0 = weights[own + columns]!
      let [s1, s2, s3] = [s0, s0, s0]
      for (let j = 0; j < columns; j++) {
        const weight = weights[own + j]!
        s0 += weight * data[r0 + j]!
        s1 += weight * data[r1 + j]!
        s2 += weight * data[r2 + j]!
        s3 += weight * data[r3 + j]!
      }
      const at = row * classes + k
      result[at] = s0
      result[at + classes] = s1
      result[at + 2 * classes] = s2
      result[at + 3 * classes] = s3
    }
  }
  for (; row < rows; row++) {
    for (let k = 0; k < classes; k++) {
      const own = k * (columns + 1)
      let score = weights[own + columns]!
      for (let j = 0; j < columns; j++) score += weights[own + j]! * data[row * columns + j]!
      result[row * classes + k] = score
    }
  }
  for (let start = 0; start < rows * classes; start += classes) softmax(result, start, classes)
}

/** Scores of one row to probabilities, in place. */
function softmax(scores: Float64Array, start: number, classes: number): void {
  const end = start + classes
  let largest = -Infinity
  for (let k = start; k < end; k++) if (scores[k]! > largest) largest = scores[k]!
  let sum = 0
  for (let k = start; k < end; k++) sum += scores[k] = Math.exp(scores[k]! - largest)
  for (let k = start; k < end; k++) scores[k]! /= sum
}

/** Mean cross entropy of rows, without the penalty. */
export function logisticLoss(model: LogisticModel, x: Matrix, labels: ArrayLike<number>): number {
  const found = probabilities(model, x)
  let loss = 0
  for (let row = 0; row < x.rows; row++) loss -= Math.log(Math.max(Number.MIN_VALUE, found[row * model.classes + labels[row]!]!))
  return loss / x.rows
}

/** Rows and their labels, with room for the probabilities. */
interface Fitted {
  readonly x: Matrix
  readonly labels: ArrayLike<number>
  readonly penalty: number
  /** Rows x classes. */
  readonly room: Float64Array
}

/** Mean loss with the penalty; fills the gradient. */
function lossAndGradient(model: LogisticModel, { x, labels, penalty, room: errors }: Fitted, gradient: Float64Array): number {
  const { classes, columns, weights } = model
  fillProbabilities(model, x, errors)
  gradient.fill(0)
  let loss = 0
  for (let row = 0; row < x.rows; row++) {
    const at = row * classes + labels[row]!
    loss -= Math.log(Math.max(Number.MIN_VALUE, errors[at]!))
    errors[at]! -= 1
  }
  addProducts(errors, x, classes, gradient)
  loss /= x.rows
  for (let k = 0; k < classes; k++) {
    const own = k * (columns + 1)
    for (let j = 0; j < columns; j++) {
      loss += (penalty / 2) * weights[own + j]! ** 2
      gradient[own + j] = gradient[own + j]! / x.rows + penalty * weights[own + j]!
    }
    gradient[own + columns]! /= x.rows
  }
  return loss
}

/** Adds errors' x to the gradient, the errors alone to its intercepts; four rows at once. */
function addProducts(errors: Float64Array, { rows, columns, data }: Matrix, classes: number, gradient: Float64Array): void {
  let row = 0
  for (; row + 4 <= rows; row += 4) {
    const [r0, r1, r2, r3] = [row * columns, (row + 1) * columns, (row + 2) * columns, (row + 3) * columns]
    for (let k = 0; k < classes; k++) {
      const at = row * classes + k
      const [e0, e1, e2, e3] = [errors[at]!, errors[at + classes]!, errors[at + 2 * classes]!, errors[at + 3 * classes]!]
      const own = k * (columns + 1)
      for (let j = 0; j < columns; j++)
        gradient[own + j]! += e0 * data[r0 + j]! + e1 * data[r1 + j]! + e2 * data[r2 + j]! + e3 * data[r3 + j]!
      gradient[own + columns]! += e0 + e1 + e2 + e3
    }
  }
  for (; row < rows; row++) {
    for (let k = 0; k < classes; k++) {
      const error = errors[row * classes + k]!
      const own = k * (columns + 1)
      for (let j = 0; j < columns; j++) gradient[own + j]! += error * data[row * columns + j]!
      gradient[own + columns]! += error
    }
  }
}

const inner = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Corrections that L-BFGS keeps. */
const memory = 10

interface Correction {
  readonly s: Float64Array
  readonly y: Float64Array
  readonly rho: number
}

/** The two-loop recursion (Nocedal 1980): an approximate Newton direction, downhill. */
function direction(gradient: Float64Array, corrections: readonly Correction[]): Float64Array {
  const q = gradient.slice()
  const alphas = corrections.map(() => 0)
  for (let i = corrections.length - 1; i >= 0; i--) {
    const { s, y, rho } = corrections[i]!
    const alpha = (alphas[i] = rho * inner(s, q))
    for (let j = 0; j < q.length; j++) q[j]! -= alpha * y[j]!
  }
  const last = corrections.at(-1)
  const scale = last === undefined ? 1 : 1 / (last.rho * inner(last.y, last.y))
  for (let j = 0; j < q.length; j++) q[j]! *= scale
  for (const [i, { s, y, rho }] of corrections.entries()) {
    const beta = rho * inner(y, q)
    for (let j = 0; j < q.length; j++) q[j]! += s[j]! * (alphas[i]! - beta)
  }
  return q.map(value => -value)
}

/**
 * Multinomial logistic regression by L-BFGS from zero, the mean cross entropy with an L2 penalty as scikit-learn's `LogisticRegression`.
 * The loss is convex: the result does not depend on the path.
 *
 * @param labels a class from 0 for each row
 */
export function fitLogistic(x: Matrix, labels: ArrayLike<number>, classes: number, options: LogisticOptions = {}): LogisticModel {
  const { c = 1, iterations = 100, tolerance = 1e-4 } = options
  const penalty = 1 / (c * x.rows)
  let model: LogisticModel = { classes, columns: x.columns, weights: new Float64Array(classes * (x.columns + 1)) }
  let gradient = new Float64Array(model.weights.length)
  const fitted: Fitted = { x, labels, penalty, room: new Float64Array(x.rows * classes) }
  let loss = lossAndGradient(model, fitted, gradient)
  const corrections: Correction[] = []
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (gradient.every(value => Math.abs(value) <= tolerance)) break
    const step = direction(gradient, corrections)
    const slope = inner(step, gradient)
    const before = model.weights
    const next = new Float64Array(gradient.length)
    let size = iteration === 0 ? Math.min(1, 1 / Math.sqrt(inner(gradient, gradient))) : 1
    let moved = false
    for (let tries = 0; tries < 30 && !moved; tries++, size /= 2) {
      const trial = { ...model, weights: before.map((value, i) => value + size * step[i]!) }
      const found = lossAndGradient(trial, fitted, next)
      if (found > loss + 1e-4 * size * slope) continue
      moved = true
      const s = trial.weights.map((value, i) => value - before[i]!)
      const y = next.map((value, i) => value - gradient[i]!)
      const curvature = inner(s, y)
      if (curvature > 1e-12 * inner(y, y)) corrections.push({ s, y, rho: 1 / curvature })
      if (corrections.length > memory) corrections.shift()
      model = trial
      gradient = next
      loss = found
    }
    if (!moved) break
  }
  return model
}
