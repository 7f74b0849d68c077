import type { Tensor } from '@layermill/core'
import type { ManifestRow } from '@layermill/storage'
import {
  labelNames,
  labelNumbers,
  multiLabelMetrics,
  type OneTargetSpec,
  putBack,
  regressionMetrics,
  targetRows,
} from '@layermill/training'
import type { EvaluationSummary, Mistake } from './metrics-line.js'

type Target = OneTargetSpec

/** Held-out images and their scores, as they come. */
interface Scored {
  readonly rows: readonly ManifestRow[]
  readonly scores: Tensor
}

/** Collects scores of held-out images with several labels, or with numbers. */
export class TargetScorer {
  private readonly parts: Scored[] = []
  private lossSum = 0

  constructor(
    private readonly classes: readonly string[],
    private readonly target: Target,
  ) {}

  add(rows: readonly ManifestRow[], scores: Tensor, loss: number): void {
    this.parts.push({ rows, scores })
    this.lossSum += loss
  }

  /** @param most mistakes to name, the worst ones first */
  result(most: number): { summary: EvaluationSummary; mistakes: Mistake[] } {
    const rows = this.parts.flatMap(part => part.rows)
    const data = new Float32Array(rows.length * this.classes.length)
    let at = 0
    for (const { scores } of this.parts) {
      data.set(scores.data, at)
      at += scores.data.length
    }
    const scores = { shape: [rows.length, this.classes.length], data }
    const { target } = this
    const found = target.kind === 'regression' ? this.numbers(rows, scores, target) : this.labels(rows, scores, target)
    const { figures, mistakes } = found
    return {
      summary: { samples: rows.length, loss: rows.length === 0 ? 0 : this.lossSum / rows.length, perClass: [], confusion: [], ...figures },
      mistakes: mistakes.toSorted((a, b) => b.loss - a.loss).slice(0, most),
    }
  }

  private labels(
    rows: readonly ManifestRow[],
    scores: Tensor,
    target: Target,
  ): { figures: Partial<EvaluationSummary>; mistakes: Mistake[] } {
    const { classes } = this
    const count = classes.length
    const targets = targetRows(rows, classes, target)
    const labels = multiLabelMetrics(scores.data, targets.data, count)
    const mistakes = rows.flatMap(({ key, label }, row): Mistake[] => {
      const places = classes.map((_, k) => row * count + k)
      const given = classes.filter((_, k) => scores.data[places[k]!]! > 0)
      const wrong = places.filter(place => scores.data[place]! > 0 !== targets.data[place]! > 0.5)
      if (wrong.length === 0) return []
      const surest = Math.max(...wrong.map(place => Math.abs(scores.data[place]!)))
      const text = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '))
      return [{ key, label: text(labelNames(label ?? '')), predicted: text(given), probability: 1 / (1 + Math.exp(-surest)), loss: surest }]
    })
    return { figures: { accuracy: labels.accuracy, macroF1: labels.macroF1, perClass: labels.perClass, labels }, mistakes }
  }

  private numbers(
    rows: readonly ManifestRow[],
    scores: Tensor,
    target: Extract<Target, { kind: 'regression' }>,
  ): { figures: Partial<EvaluationSummary>; mistakes: Mistake[] } {
    const predicted = putBack(scores, target)
    const wanted = rows.map(({ label }) => labelNumbers(label ?? '') ?? [])
    const text = (values: readonly number[]): string => values.map(value => Number(value.toPrecision(6))).join(', ')
    const mistakes = rows.map(({ key }, i): Mistake => {
      const errors = predicted[i]!.map((value, k) => Math.abs(value - wanted[i]![k]!) / target.deviation[k]!)
      const loss = errors.reduce((sum, error) => sum + error, 0) / errors.length
      return { key, label: text(wanted[i]!), predicted: text(predicted[i]!), loss }
    })
    return { figures: { numbers: regressionMetrics(predicted, wanted, target.mean.length) }, mistakes }
  }
}
