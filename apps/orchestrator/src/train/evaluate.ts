import type { TrainingPlan } from '@layermill/contracts'
import type { ManifestRow } from '@layermill/storage'
import { evaluationPieces, type GradientSource, Metrics } from '@layermill/training'
import type { Evaluation, Mistake } from './metrics-line.js'
import { mistakesOf } from './mistakes.js'
import { MixedScorer } from './mixed-scorer.js'
import { TargetScorer } from './target-scorer.js'

/** Mistakes kept for the report. */
const keptMistakes = 24

export interface EvaluateOptions {
  readonly plan: TrainingPlan
  readonly rows: readonly ManifestRow[]
  readonly source: GradientSource
  /** From 1. */
  readonly epoch: number
  readonly signal: AbortSignal
  readonly onPiece: (done: number, pieces: number) => void
}

/** Scores the held-out images with the parameters published last. */
export async function evaluateRows({ plan, rows, source, epoch, signal, onPiece }: EvaluateOptions): Promise<Evaluation> {
  const { classes, microBatch, target } = plan
  const targets =
    target === undefined ? undefined : target.kind === 'mixed' ? new MixedScorer(target.heads) : new TargetScorer(classes, target)
  const indices = new Map(classes.map((name, i) => [name, i]))
  const metrics = new Metrics(classes.length)
  const pieces = evaluationPieces(rows, microBatch)
  let mistakes: Mistake[] = []
  let next = 0
  for await (const scores of source.evaluate(epoch, pieces.length, signal)) {
    const piece = pieces[next++]!
    onPiece(next, pieces.length)
    if (targets !== undefined) {
      targets.add(piece, scores.logits, scores.loss)
      continue
    }
    const labels = piece.map(({ label }) => indices.get(label ?? '')!)
    metrics.add(scores.logits, labels, scores.loss)
    mistakes = [...mistakes, ...mistakesOf(piece, labels, scores.logits, classes)]
      .toSorted((a, b) => b.loss - a.loss)
      .slice(0, keptMistakes)
  }
  if (targets !== undefined) return { epoch, ...targets.result(keptMistakes) }
  return { epoch, summary: metrics.summary(), mistakes }
}
