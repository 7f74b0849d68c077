import { LayermillError } from '@layermill/core'
import type { ModelTarget } from '@layermill/models'
import { definitions, flatten, page } from '@layermill/orchestrator/results'
import { targetTables, targetTiles, type TargetEvaluation } from '@layermill/orchestrator/train'
import { formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

/** Classes that a prediction can give at most, all of which an evaluation of labels needs. */
const mostClasses = 1000

/** The `--top` with which all that an evaluation needs comes. @throws LayermillError `SPEC_INVALID` */
export function topOf(target: ModelTarget | undefined, classes: number, otherwise: number): number {
  const labels = (target?.kind === 'mixed' ? target.heads : [{ target, classes: { length: classes } }]).flatMap(head =>
    head.target?.kind === 'multi-label' ? [head.classes.length] : [],
  )
  const most = Math.max(0, ...labels)
  if (most <= mostClasses) return labels.length === 0 ? otherwise : Math.max(most, target?.kind === 'mixed' ? otherwise : 0)
  throw new LayermillError('SPEC_INVALID', `model: got one of ${most} labels, expected at most ${mostClasses} to be evaluated`)
}

/** Refuses an accuracy to hold several targets to. @throws LayermillError `SPEC_INVALID` */
export function noSingleAccuracy(least: number | undefined): void {
  if (least === undefined) return
  throw new LayermillError('SPEC_INVALID', `--min-accuracy: got ${least}, expected none: a model with several targets has one of each`)
}

/** Share of images all of whose labels are right, by which `--min-accuracy` goes. @throws LayermillError `SPEC_INVALID` for numbers */
export function targetAccuracy({ atThresholds }: TargetEvaluation, least: number | undefined): number {
  if (atThresholds !== undefined) return atThresholds.accuracy
  if (least === undefined) return 0
  throw new LayermillError('SPEC_INVALID', `--min-accuracy: got ${least}, expected none: a model that gives numbers has no accuracy`)
}

/** Prints what a model is worth that gives several labels or numbers. */
export function printTargets(output: Output, { images, classes, labels, atThresholds, numbers }: TargetEvaluation): void {
  if (numbers !== undefined) {
    const rows = numbers.perOutput.map(({ mae, rmse, r2 }, i) => [classes[i]!, mae.toPrecision(4), rmse.toPrecision(4), r2.toFixed(3)])
    output.line(formatTable(['output', '>MAE', '>RMSE', '>R2'], rows))
    output.line(`\nMAE ${numbers.mae.toPrecision(4)}, R2 ${numbers.r2.toFixed(3)}: ${formatPlural(images, 'image')}`)
  }
  if (labels === undefined || atThresholds === undefined) return
  const rows = labels.perClass.map((of, i) => [
    classes[i]!,
    String(of.support),
    ...[of.averagePrecision, of.precision, of.recall, of.f1].map(percent),
  ])
  output.line(formatTable(['class', '>images', '>AP', '>precision', '>recall', '>F1'], rows))
  const { macroF1, microF1, accuracy } = atThresholds
  output.line(
    `\nmAP ${percent(labels.meanAveragePrecision)}, F1 ${percent(labels.macroF1)} (macro), ${percent(labels.microF1)} (micro); ` +
      `at the model's thresholds ${percent(macroF1)}, ${percent(microF1)}, all labels right ${percent(accuracy)}: ${formatPlural(images, 'image')}`,
  )
}

/** The evaluation as one HTML file. */
export function targetsHtml(
  title: string,
  { classes, images, ...figures }: TargetEvaluation,
  facts: Readonly<Record<string, unknown>>,
): string {
  const summary = { samples: images, loss: 0, perClass: [], confusion: [], ...figures }
  return page(
    title,
    `${definitions('tiles', [...targetTiles(summary), ['images', images.toLocaleString('en-US')]])}
${targetTables(classes, summary) ?? ''}
<h2>What was evaluated</h2>${definitions('facts', flatten(facts))}`,
  )
}
