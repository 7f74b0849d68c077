import { setImmediate } from 'node:timers/promises'

/** Rows of features [images, dimensions] and the class of each. */
export interface ProbeData {
  readonly features: readonly Float32Array[]
  readonly labels: readonly number[]
  readonly classes: number
}

export interface ProbeResult {
  /** Share of images whose class a linear classifier tells that was fitted to all the others. */
  readonly accuracy: number
  /** Of that share, as a draw of so many images would give. */
  readonly standardError: number
}

/** Weights of the penalty that are tried, as shares of the mean squared length of a row. */
const penalties = [1e-3, 1e-2, 1e-1, 1]

/** Every dimension with mean 0 and standard deviation 1; constant ones are 0. */
function standardised(features: readonly Float32Array[]): Float64Array[] {
  const [count, dimensions] = [features.length, features[0]!.length]
  const mean = new Float64Array(dimensions)
  const square = new Float64Array(dimensions)
  for (const row of features) for (let d = 0; d < dimensions; d++) mean[d]! += row[d]! / count
  for (const row of features) for (let d = 0; d < dimensions; d++) square[d]! += (row[d]! - mean[d]!) ** 2 / count
  return features.map(row => Float64Array.from(row, (value, d) => (square[d]! > 0 ? (value - mean[d]!) / Math.sqrt(square[d]!) : 0)))
}

/** Inner products of all rows. */
async function gramMatrix(rows: readonly Float64Array[]): Promise<Float64Array[]> {
  const gram = rows.map(() => new Float64Array(rows.length))
  for (const [i, a] of rows.entries()) {
    for (let j = 0; j <= i; j++) {
      const b = rows[j]!
      let sum = 0
      for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!
      gram[i]![j] = sum
      gram[j]![i] = sum
    }
    await setImmediate()
  }
  return gram
}

/** Inverse of a symmetric positive definite matrix, by elimination without pivoting, which such a matrix never needs. */
async function inverse(matrix: readonly Float64Array[]): Promise<Float64Array[]> {
  const size = matrix.length
  const left = matrix.map(row => row.slice())
  const right = matrix.map((_, i) => {
    const row = new Float64Array(size)
    row[i] = 1
    return row
  })
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = 1 / left[pivot]![pivot]!
    for (let j = 0; j < size; j++) {
      left[pivot]![j]! *= scale
      right[pivot]![j]! *= scale
    }
    for (let i = 0; i < size; i++) {
      const factor = i === pivot ? 0 : left[i]![pivot]!
      if (factor === 0) continue
      for (let j = pivot; j < size; j++) left[i]![j]! -= factor * left[pivot]![j]!
      for (let j = 0; j < size; j++) right[i]![j]! -= factor * right[pivot]![j]!
    }
    if (pivot % 16 === 0) await setImmediate()
  }
  return right
}

/** Leave-one-out predictions of ridge regression to +1 and -1: what the fit without an image says of it, without fitting again. */
function correctLeftOut(inverted: readonly Float64Array[], { labels, classes }: ProbeData): number {
  let correct = 0
  for (const [i, row] of inverted.entries()) {
    let best = -Infinity
    let predicted = -1
    for (let c = 0; c < classes; c++) {
      let dual = 0
      for (let j = 0; j < row.length; j++) dual += row[j]! * (labels[j] === c ? 1 : -1)
      const score = (labels[i] === c ? 1 : -1) - dual / row[i]!
      if (score > best) [best, predicted] = [score, c]
    }
    if (predicted === labels[i]) correct++
  }
  return correct
}

/**
 * How well a linear classifier on a layer's values tells the classes apart: ridge regression on standardised values, each image judged by
 * a fit to all the others. Exact and without chance; the penalty is the one of a few that does best. Takes images^3 operations, whatever
 * the dimensions.
 */
export async function linearProbe(data: ProbeData): Promise<ProbeResult> {
  const count = data.labels.length
  const gram = await gramMatrix(standardised(data.features))
  const length = gram.reduce((sum, row, i) => sum + row[i]!, 0) / count
  let correct = 0
  for (const penalty of penalties) {
    // The constant column's share of the inner products is the intercept, which is hardly penalised.
    const penalised = gram.map((row, i) => row.map((value, j) => value + length + (i === j ? penalty * length + 1e-9 : 0)))
    correct = Math.max(correct, correctLeftOut(await inverse(penalised), data))
  }
  const accuracy = correct / count
  return { accuracy, standardError: Math.sqrt((accuracy * (1 - accuracy)) / count) }
}

/** A layer, what it takes, and how well a linear classifier on it tells the classes. */
export interface ProbedLayer extends ProbeResult {
  readonly layer: string
  /** Of one image, whole. */
  readonly bytesPerImage: number
}

/** The smallest layer whose accuracy is within a standard error of the best one's; the later one of equals. */
export function suggestLayer(layers: readonly ProbedLayer[]): string {
  const best = layers.reduce((a, b) => (b.accuracy > a.accuracy ? b : a))
  const good = layers.filter(({ accuracy }) => accuracy >= best.accuracy - best.standardError)
  return good.reduce((a, b) => (b.bytesPerImage <= a.bytesPerImage ? b : a)).layer
}
