import type { Tensor } from '@layermill/core'

/** One class's figures; each from 0 to 1, and 0 where it is undefined (never predicted, or not present). */
export interface ClassMetrics {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Images of this class. */
  readonly support: number
}

export interface MetricsSummary {
  readonly samples: number
  /** Mean over the samples. */
  readonly loss: number
  /** Share of samples whose class has the highest score. */
  readonly accuracy: number
  readonly perClass: readonly ClassMetrics[]
  /** Mean F1 of the classes that have samples; 0 where none has. */
  readonly macroF1: number
  /** `confusion[label][predicted]`, counts. */
  readonly confusion: readonly (readonly number[])[]
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** Index of the highest score of a row; the first one of equals. */
export function argMax(scores: Float32Array, offset: number, length: number): number {
  let best = 0
  for (let i = 1; i < length; i++) if (scores[offset + i]! > scores[offset + best]!) best = i
  return best
}

/** A class without samples says nothing of how well it is recognised: it does not count. */
function meanF1(perClass: readonly ClassMetrics[]): number {
  const present = perClass.filter(({ support }) => support > 0)
  return ratio(
    present.reduce((sum, { f1 }) => sum + f1, 0),
    present.length,
  )
}

/** Collects predictions of a classifier. */
export class Metrics {
  private readonly counts: number[][]
  private samples = 0
  private lossSum = 0

  constructor(private readonly classes: number) {
    this.counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0))
  }

  /** Adds a batch: scores [N, classes], labels 0..classes-1, and the sum of its losses. */
  add(scores: Tensor, labels: ArrayLike<number>, lossSum: number): void {
    for (let row = 0; row < labels.length; row++) this.count(labels[row]!, argMax(scores.data, row * this.classes, this.classes))
    this.lossSum += lossSum
  }

  /** Adds one sample by its class and the one that it was taken for, both 0..classes-1; its loss counts as 0. */
  count(label: number, predicted: number): void {
    this.counts[label]![predicted]! += 1
    this.samples += 1
  }

  summary(): MetricsSummary {
    const perClass = this.counts.map((row, label): ClassMetrics => {
      const hits = row[label]!
      const support = row.reduce((sum, count) => sum + count, 0)
      const predicted = this.counts.reduce((sum, other) => sum + other[label]!, 0)
      return { precision: ratio(hits, predicted), recall: ratio(hits, support), f1: ratio(2 * hits, support + predicted), support }
    })
    const correct = this.counts.reduce((sum, row, label) => sum + row[label]!, 0)
    return {
      samples: this.samples,
      loss: ratio(this.lossSum, this.samples),
      accuracy: ratio(correct, this.samples),
      perClass,
      macroF1: meanF1(perClass),
      confusion: this.counts.map(row => [...row]),
    }
  }
}
