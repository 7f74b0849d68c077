/** Figures of one class among several that an image may have at once. Each is from 0 to 1, and 0 where it is undefined. */
export interface LabelMetrics {
  /** Images that have it. */
  readonly support: number
  readonly averagePrecision: number
  /** With the label given where its probability is above one half. */
  readonly f1: number
  readonly precision: number
  readonly recall: number
  /** Probability above which the label is given, with the largest F1 on these images; one half where no image has it. */
  readonly threshold: number
  /** F1 at that threshold, on the images that it was chosen on. */
  readonly bestF1: number
}

export interface MultiLabelSummary {
  readonly samples: number
  /** Mean over the classes, of those without images too, as scikit-learn's `average_precision_score`. */
  readonly meanAveragePrecision: number
  /** At a probability of one half. */
  readonly macroF1: number
  readonly microF1: number
  /** Share of images whose labels are all right. */
  readonly accuracy: number
  readonly perClass: readonly LabelMetrics[]
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
const meanOf = (values: readonly number[]): number =>
  ratio(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  )

interface Scored {
  readonly score: number
  readonly has: boolean
}

/** Scores from the highest down, those that are equal together: how many images are at or above each, and how many of them have the label. */
function cuts(rows: readonly Scored[]): { score: number; taken: number; hits: number }[] {
  const found: { score: number; taken: number; hits: number }[] = []
  let [taken, hits] = [0, 0]
  for (const { score, has } of rows.toSorted((a, b) => b.score - a.score)) {
    taken++
    if (has) hits++
    const last = found.at(-1)
    if (last?.score === score) Object.assign(last, { taken, hits })
    else found.push({ score, taken, hits })
  }
  return found
}

const probabilityOf = (score: number): number => 1 / (1 + Math.exp(-score))

/** Sum of (R_n - R_(n-1)) P_n over distinct scores, without interpolation. */
function averagePrecision(found: ReturnType<typeof cuts>, support: number): number {
  let [sum, before] = [0, 0]
  for (const { taken, hits } of found) {
    sum += ((hits - before) / Math.max(1, support)) * (hits / taken)
    before = hits
  }
  return sum
}

/** The border between two scores with the largest F1; of equals the one nearest to a probability of one half. */
function bestThreshold(found: ReturnType<typeof cuts>, support: number): { threshold: number; bestF1: number } {
  let best = { threshold: 0.5, bestF1: 0 }
  if (support === 0) return best
  for (const [i, { score, taken, hits }] of found.entries()) {
    const next = found[i + 1]
    const upper = probabilityOf(score)
    const lower = next === undefined ? 0 : probabilityOf(next.score)
    // One half itself where it lies between the two.
    const threshold = lower <= 0.5 && 0.5 < upper ? 0.5 : (lower + upper) / 2
    const bestF1 = (2 * hits) / (taken + support)
    const nearer = bestF1 === best.bestF1 && Math.abs(threshold - 0.5) < Math.abs(best.threshold - 0.5)
    if (bestF1 > best.bestF1 || nearer) best = { threshold, bestF1 }
  }
  return best
}

/**
 * Holds scores (before sigmoid) against labels that each image may have several of.
 * @param scores [N, classes], row after row
 * @param targets 0 or 1, of the same size
 */
export function multiLabelMetrics(scores: ArrayLike<number>, targets: ArrayLike<number>, classes: number): MultiLabelSummary {
  const samples = scores.length / classes
  let [allHits, allGiven, allSupport] = [0, 0, 0]
  const wrong = new Set<number>()
  const perClass = Array.from({ length: classes }, (_, k): LabelMetrics => {
    const rows = Array.from({ length: samples }, (_row, row): Scored => {
      const scored = { score: scores[row * classes + k]!, has: targets[row * classes + k]! > 0.5 }
      if (scored.score > 0 !== scored.has) wrong.add(row)
      return scored
    })
    const support = rows.filter(({ has }) => has).length
    const given = rows.filter(({ score }) => score > 0).length
    const hits = rows.filter(({ score, has }) => has && score > 0).length
    allHits += hits
    allGiven += given
    allSupport += support
    const found = cuts(rows)
    return {
      support,
      averagePrecision: averagePrecision(found, support),
      f1: ratio(2 * hits, given + support),
      precision: ratio(hits, given),
      recall: ratio(hits, support),
      ...bestThreshold(found, support),
    }
  })
  return {
    samples,
    meanAveragePrecision: meanOf(perClass.map(({ averagePrecision: value }) => value)),
    macroF1: meanOf(perClass.map(({ f1 }) => f1)),
    microF1: ratio(2 * allHits, allGiven + allSupport),
    accuracy: ratio(samples - wrong.size, samples),
    perClass,
  }
}

/** Figures of one number that a network gives. */
export interface NumberMetrics {
  readonly mae: number
  /** Root of the mean squared error. */
  readonly rmse: number
  /** Share of the variance that is explained; of a constant target 1 where it is met exactly, else 0. */
  readonly r2: number
}

export interface RegressionSummary {
  readonly samples: number
  /** Means over the outputs, as scikit-learn's. */
  readonly mae: number
  readonly r2: number
  readonly perOutput: readonly NumberMetrics[]
}

/** Holds numbers against those that they should be, both [N][outputs]. */
export function regressionMetrics(
  predicted: readonly (readonly number[])[],
  targets: readonly (readonly number[])[],
  outputs: number,
): RegressionSummary {
  const samples = targets.length
  const perOutput = Array.from({ length: outputs }, (_, k): NumberMetrics => {
    const errors = predicted.map((row, i) => row[k]! - targets[i]![k]!)
    const center = meanOf(targets.map(row => row[k]!))
    const squares = errors.reduce((sum, error) => sum + error ** 2, 0)
    const spread = targets.reduce((sum, row) => sum + (row[k]! - center) ** 2, 0)
    const r2 = spread === 0 ? (squares === 0 ? 1 : 0) : 1 - squares / spread
    return { mae: meanOf(errors.map(Math.abs)), rmse: Math.sqrt(ratio(squares, samples)), r2 }
  })
  return { samples, mae: meanOf(perOutput.map(({ mae }) => mae)), r2: meanOf(perOutput.map(({ r2 }) => r2)), perOutput }
}
