import { LayermillError } from '@layermill/core'
import type { ImageAnswer } from '@layermill/inference'
import type { OneTarget } from '@layermill/models'
import {
  labelNames,
  labelNumbers,
  multiLabelMetrics,
  type MultiLabelSummary,
  regressionMetrics,
  type RegressionSummary,
} from '@layermill/training'
import type { KnownImage } from './score-predictions.js'

/** A model's answer to an image. */
export type KeyedAnswer = ImageAnswer & { readonly key: string }

/** How well a model gives several labels an image, or numbers. */
export interface TargetEvaluation {
  /** Images that were predicted. */
  readonly images: number
  readonly classes: readonly string[]
  /** Of labels; `atThresholds` gives them by the model's own thresholds instead of one half. */
  readonly labels?: MultiLabelSummary
  readonly atThresholds?: Pick<MultiLabelSummary, 'macroF1' | 'microF1' | 'accuracy'>
  readonly numbers?: RegressionSummary
}

interface ScoredModel {
  readonly names: readonly string[]
  readonly target: OneTarget
  /** For messages. */
  readonly model: string
}

function scoreLabels(
  images: readonly KnownImage[],
  answers: ReadonlyMap<string, ImageAnswer>,
  { names, target, model }: ScoredModel,
): TargetEvaluation {
  const places = new Map(names.map((name, i) => [name, i]))
  const known = images.filter(({ key }) => answers.has(key))
  const targets = new Float64Array(known.length * names.length)
  const shares = new Float64Array(known.length * names.length)
  for (const [row, { key, label }] of known.entries()) {
    for (const name of labelNames(label)) {
      const place = places.get(name)
      if (place === undefined) throw new LayermillError('CLASS_UNKNOWN', `${model} has no class ${name}, which ${key} is labelled`)
      targets[row * names.length + place] = 1
    }
    for (const { index, probability } of answers.get(key)!.classes) shares[row * names.length + index] = probability
  }
  const thresholds = target.kind === 'multi-label' ? target.thresholds : []
  const scores = shares.map(share => Math.log(share / (1 - share)))
  const { macroF1, microF1, accuracy } = multiLabelMetrics(
    shares.map((share, i) => share - (thresholds[i % names.length] ?? 0.5)),
    targets,
    names.length,
  )
  return {
    images: known.length,
    classes: names,
    labels: multiLabelMetrics(scores, targets, names.length),
    atThresholds: { macroF1, microF1, accuracy },
  }
}

/**
 * Holds a model's answers against images with several labels, or with numbers.
 * @throws LayermillError `CLASS_UNKNOWN`, `LABEL_INVALID`
 */
export function scoreTargets(images: readonly KnownImage[], answers: Iterable<KeyedAnswer>, model: ScoredModel): TargetEvaluation {
  const found = new Map<string, ImageAnswer>()
  for (const answer of answers) found.set(answer.key, answer)
  if (model.target.kind === 'multi-label') return scoreLabels(images, found, model)
  const known = images.filter(({ key }) => found.has(key))
  const wanted = known.map(({ key, label }) => {
    const numbers = labelNumbers(label) ?? []
    if (numbers.length === model.names.length) return numbers
    throw new LayermillError('LABEL_INVALID', `${key} is labelled ${label}, but ${model.model} gives ${model.names.length} numbers`)
  })
  const predicted = known.map(({ key }) => (found.get(key)!.values ?? []).map(({ value }) => value))
  return { images: known.length, classes: model.names, numbers: regressionMetrics(predicted, wanted, model.names.length) }
}
