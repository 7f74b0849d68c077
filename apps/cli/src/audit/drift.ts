import {
  classifierTest,
  columnDeviations,
  columnMeans,
  type Drift,
  driftTest,
  fitComponents,
  onComponents,
  type MatrixProduct,
  sourceOf,
  spreadOver,
  takeRows,
} from '@layermill/analysis'
import { LayermillError } from '@layermill/core'
import { openSets } from '../compare/feature-sets.js'
import type { AuditedImages } from './findings.js'

/** Most rows on each side of a drift test: its kernel matrix is that of both. */
const driftRows = 1000
/** Drift is told of below this p. */
const level = 0.05
/** Images that are named as those that make the difference. */
const mostNamed = 20

/** Drift of images against a reference run. */
export interface ImageDrift extends Drift {
  /** A classifier's attempt to tell the two apart; beside the p-value, which it does not change. */
  readonly classifier: { readonly accuracy: number; readonly p: number }
  /** New images that differ most from the reference, by their probability to be new. */
  readonly images: readonly { readonly key: string; readonly probability: number }[]
}

export interface DriftOptions {
  /** Place of the reference run. */
  readonly reference: string
  readonly layer: string
  readonly permutations: number
  readonly seed: string
  readonly product: MatrixProduct
  readonly signal: AbortSignal
}

/**
 * Holds images against a reference run: MMD on features as they are and standardised, and a classifier.
 * @throws LayermillError `ROW_INVALID` where the layers have different sizes; as the run's files do
 */
export async function driftOf(images: AuditedImages, options: DriftOptions): Promise<ImageDrift> {
  const { layer, permutations, product, seed, signal } = options
  await using opened = await openSets([options.reference], layer)
  const reference = opened.sets[0]!.source
  if (reference.columns !== images.source.columns) {
    throw new LayermillError('ROW_INVALID', `--reference: ${layer} has ${reference.columns} numbers there, ${images.source.columns} here`)
  }
  const fit = await fitComponents(reference, product, signal)
  const [old, fresh] = [await onComponents(reference, fit, product), await onComponents(images.source, fit, product)]
  const deviations = await columnDeviations(sourceOf(old), await columnMeans(sourceOf(old)))
  const [a, b] = [takeRows(old, spreadOver(old.rows, driftRows)), takeRows(fresh, spreadOver(fresh.rows, driftRows))]
  const drift = await driftTest(a, b, deviations, { product, permutations, seed })
  // As many rows of both, so that sizes tell nothing.
  const count = Math.min(a.rows, b.rows)
  const places = spreadOver(fresh.rows, count)
  const { accuracy, p, scores } = classifierTest(takeRows(old, spreadOver(old.rows, count)), takeRows(fresh, places), deviations, seed)
  const named = [...scores.keys()].sort((i, j) => scores[j]! - scores[i]! || i - j).slice(0, mostNamed)
  return {
    ...drift,
    classifier: { accuracy, p },
    images: named.map(i => ({ key: images.keys[places[i]!]!, probability: scores[i]! })),
  }
}

/** One line on drift. */
export const driftText = ({ p, raw, standardized, classifier }: ImageDrift): string =>
  `${p <= level ? 'drift' : 'no drift seen'}: p ${p.toPrecision(3)} ` +
  `(MMD ${raw.statistic.toPrecision(3)}, p ${raw.p.toPrecision(3)}; standardised p ${standardized.p.toPrecision(3)}; ` +
  `a classifier tells ${(100 * classifier.accuracy).toFixed(1)}% of the images rightly, p ${classifier.p.toPrecision(3)})`
