import type { ModelHead } from '@layermill/models'
import { rowsOfHead } from '@layermill/training'
import { type KnownImage, type ModelEvaluation, scorePredictions } from './score-predictions.js'
import { type KeyedAnswer, scoreTargets, type TargetEvaluation } from './score-targets.js'

/** How well a model meets one of its targets, on the images that have a value of it. */
export type HeadEvaluation = { readonly name: string } & (
  | { readonly kind: 'class'; readonly figures: ModelEvaluation }
  | { readonly kind: 'multi-label' | 'regression'; readonly figures: TargetEvaluation }
)

/**
 * Holds a model's answers against images with values of several targets.
 * @param images whose labels are JSON objects, as `readTargets` makes them
 * @throws LayermillError `CLASS_UNKNOWN`, `LABEL_INVALID`
 */
export function scoreMixed(
  images: readonly KnownImage[],
  answers: readonly KeyedAnswer[],
  { heads, model }: { readonly heads: readonly ModelHead[]; readonly model: string },
): HeadEvaluation[] {
  return heads.map(({ name, classes, target }): HeadEvaluation => {
    const known = rowsOfHead(images, name)
    const own = answers.flatMap(({ key, heads: all = {} }): KeyedAnswer[] => (all[name] === undefined ? [] : [{ key, ...all[name] }]))
    const where = `${model} (target ${name})`
    if (target === undefined) return { name, kind: 'class', figures: scorePredictions(known, own, classes, where) }
    return { name, kind: target.kind, figures: scoreTargets(known, own, { names: classes, target, model: where }) }
  })
}
