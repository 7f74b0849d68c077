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
export function probabilities({ classes, columns, weights }: LogisticModel, x: Matrix): Float64Array {
  const result = new Float64Array(x.rows * classes)
  for (let row = 0; row < x.rows; row++) {
    const start = row * columns
    const target = result.subarray(row * classes, (row + 1) * classes)
    for (let k = 0; k < classes; k++) {
      const own = k * (columns + 1)
      let score = weights[own + columns]!
      for (let j = 0; j < columns; j++) score += weights[own + j]! * x.data[start + j]!
      target[k] = score
    }
    softmax(target)
  }
  return result
}

function softmax(scores: Float64Array): void {
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity)
  let sum = 0
  for (let k = 0; k < scores.length; k++) sum += scores[k] = Math.exp(scores[k]! - largest)
  for (let k = 0; k < scores.length; k++) scores[k]! /= sum
}

/** Mean cross entropy of rows, without the penalty. */
export function logisticLoss(model: LogisticModel, x: Matrix, labels: ArrayLike<number>): number {
  const found = probabilities(model, x)
  let loss = 0
  for (let row = 0; row < x.rows; row++) loss -= Math.log(Math.max(Number.MIN_VALUE, found[row * model.classes + labels[row]!]!))
  return loss / x.rows
}

/** Mean loss with the penalty; fills the gradient. */
function lossAndGradient(model: LogisticModel, x: Matrix, labels: ArrayLike<number>, penalty: number, gradient: Float64Array): number {
  const { classes, columns, weights } = model
  const found = probabilities(model, x)
  gradient.fill(0)
  let loss = 0
  for (let row = 0; row < x.rows; row++) {
    loss -= Math.log(Math.max(Number.MIN_VALUE, found[row * classes + labels[row]!]!))
    for (let k = 0; k < classes; k++) {
      const error = (found[row * classes + k]! - (labels[row] === k ? 1 : 0)) / x.rows
      const own = k * (columns + 1)
      for (let j = 0; j < columns; j++) gradient[own + j]! += error * x.data[row * columns + j]!
      gradient[own + columns]! += error
    }
  }
  loss /= x.rows
  for (let k = 0; k < classes; k++) {
    for (let j = 0; j < columns; j++) {
      const at = k * (columns + 1) + j
      loss += (penalty / 2) * weights[at]! ** 2
      gradient[at]! += penalty * weights[at]!
    }
  }
  return loss
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
  let loss = lossAndGradient(model, x, labels, penalty, gradient)
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
      const found = lossAndGradient(trial, x, labels, penalty, next)
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
