import { definitions, flatten, page } from '@layermill/orchestrator/results'
import { type HeadEvaluation, headSection } from '@layermill/orchestrator/train'
import type { Output } from '../../output/output.js'
import { printClasses } from './print-classes.js'
import { printTargets } from './targets.js'

/** Prints what a model is worth that has several targets. */
export function printMixed(output: Output, heads: readonly HeadEvaluation[]): void {
  for (const [i, { name, kind, figures }] of heads.entries()) {
    output.line(`${i === 0 ? '' : '\n'}${name}\n`)
    if (kind === 'class') printClasses(output, figures)
    else printTargets(output, figures)
  }
}

function section({ name, kind, figures }: HeadEvaluation): string {
  const { images } = figures
  if (kind !== 'class') return headSection({ name, samples: images, perClass: [], confusion: [], ...figures })
  const { classes, confusion, accuracy, macroF1, top5 } = figures
  return headSection({ name, classes: classes.map(of => of.name), samples: images, perClass: classes, confusion, accuracy, macroF1, top5 })
}

/** The evaluation as one HTML file. */
export const mixedHtml = (title: string, heads: readonly HeadEvaluation[], facts: Readonly<Record<string, unknown>>): string =>
  page(
    title,
    `${heads.map(section).join('\n')}
<h2>What was evaluated</h2>${definitions('facts', flatten(facts))}`,
  )
