import type { TrainingPlan } from '@layermill/contracts'
import type { ManifestRow } from '@layermill/storage'
import { argMax, evaluationPieces, type GradientSource, Metrics, type MicroBatchScores } from '@layermill/training'
import type { Evaluation, Mistake } from './metrics-line.js'
import { TargetScorer } from './target-scorer.js'

/** Mistakes kept for the report. */
const keptMistakes = 24

/** Logarithms of softmax of one row of scores, in double precision: finite also where the probability is too small for a number. */
function logProbabilities(logits: Float32Array, offset: number, classes: number): number[] {
  const row = Array.from(logits.subarray(offset, offset + classes))
  const top = row.reduce((most, value) => Math.max(most, value), -Infinity)
  const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0)
  return row.map(value => value - top - Math.log(total))
}

function mistakesOf(
  rows: readonly ManifestRow[],
  labels: readonly number[],
  { logits }: MicroBatchScores,
  classes: readonly string[],
): Mistake[] {
  return rows.flatMap(({ key }, i) => {
    const label = labels[i]!
    const predicted = argMax(logits.data, i * classes.length, classes.length)
    if (predicted === label) return []
    const logs = logProbabilities(logits.data, i * classes.length, classes.length)
    return [{ key, label: classes[label]!, predicted: classes[predicted]!, probability: Math.exp(logs[predicted]!), loss: -logs[label]! }]
  })
}

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
  const targets = target === undefined ? undefined : new TargetScorer(classes, target)
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
    mistakes = [...mistakes, ...mistakesOf(piece, labels, scores, classes)].toSorted((a, b) => b.loss - a.loss).slice(0, keptMistakes)
  }
  if (targets !== undefined) return { epoch, ...targets.result(keptMistakes) }
  return { epoch, summary: metrics.summary(), mistakes }
}
