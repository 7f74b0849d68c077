import type { Tensor } from '@layermill/core'
import { lossSum } from '@layermill/engines'
import { headLoss } from '@layermill/inference'
import type { ManifestRow } from '@layermill/storage'
import { headScores, Metrics, type MixedHead, rowsOfHead, targetsOfHead } from '@layermill/training'
import type { LabelledRow } from './dataset.js'
import type { EvaluationSummary, HeadSummary, Mistake } from './metrics-line.js'
import { mistakesOf } from './mistakes.js'
import { TargetScorer } from './target-scorer.js'

/** Classes among which a right one counts for `top5`. */
const ranks = 5

/** Share of rows whose own class has one of the five highest scores. */
function topShare({ shape: [rows, classes], data }: Tensor, labels: readonly number[]): number {
  const found = labels.filter((label, row) => {
    const scores = data.subarray(row * classes!, (row + 1) * classes!)
    return scores.filter((score, k) => score > scores[label]! || (score === scores[label] && k < label)).length < ranks
  })
  return found.length / rows!
}

interface ScoredHead {
  readonly summary: HeadSummary
  readonly mistakes: readonly Mistake[]
}

/** Collects scores of held-out images for several targets. */
export class MixedScorer {
  private readonly rows: ManifestRow[] = []
  private readonly parts: Tensor[] = []
  private lossSum = 0

  constructor(private readonly heads: readonly MixedHead[]) {}

  add(rows: readonly ManifestRow[], scores: Tensor, loss: number): void {
    this.rows.push(...rows)
    this.parts.push(scores)
    this.lossSum += loss
  }

  /** @param most mistakes to name, the worst ones of all targets first */
  result(most: number): { summary: EvaluationSummary; mistakes: Mistake[] } {
    const samples = this.rows.length
    const heads = this.heads.map((head, i) => this.scored(head, i, most))
    const mistakes = heads.flatMap(({ summary, mistakes: own }) =>
      own.map(mistake => ({
        ...mistake,
        label: `${summary.name}: ${mistake.label}`,
        predicted: `${summary.name}: ${mistake.predicted}`,
      })),
    )
    return {
      summary: {
        samples,
        loss: samples === 0 ? 0 : this.lossSum / samples,
        perClass: [],
        confusion: [],
        heads: heads.map(({ summary }) => summary),
      },
      mistakes: mistakes.toSorted((a, b) => b.loss - a.loss).slice(0, most),
    }
  }

  /** Rows that have a value of a target, and their scores of it. */
  private partOf(head: MixedHead, index: number): { rows: LabelledRow[]; scores: Tensor } {
    const width = head.classes.length
    const all = this.parts.flatMap(part => {
      const { shape, data } = headScores(part, this.heads, index)
      return Array.from({ length: shape[0]! }, (_, row) => data.subarray(row * width, (row + 1) * width))
    })
    const scored = new Map(this.rows.map(({ key }, i) => [key, all[i]!]))
    const rows = rowsOfHead(this.rows, head.name)
    const data = new Float32Array(rows.length * width)
    for (const [row, { key }] of rows.entries()) data.set(scored.get(key)!, row * width)
    return { rows, scores: { shape: [rows.length, width], data } }
  }

  private scored(head: MixedHead, index: number, most: number): ScoredHead {
    const { name, classes, target } = head
    const { rows, scores } = this.partOf(head, index)
    const loss = lossSum(headLoss(target), scores, targetsOfHead(head, rows))
    const about = { name, classes }
    if (target.kind !== 'class') {
      const scorer = new TargetScorer(classes, target)
      scorer.add(rows, scores, loss)
      const { summary, mistakes } = scorer.result(most)
      return { summary: { ...about, ...summary }, mistakes }
    }
    const labels = rows.map(({ label }) => classes.indexOf(label))
    const metrics = new Metrics(classes.length)
    metrics.add(scores, labels, loss)
    const top5 = classes.length > ranks && rows.length > 0 ? { top5: topShare(scores, labels) } : {}
    return { summary: { ...about, ...metrics.summary(), ...top5 }, mistakes: mistakesOf(rows, labels, scores, classes) }
  }
}
