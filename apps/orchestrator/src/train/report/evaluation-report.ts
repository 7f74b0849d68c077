import type { ModelEvaluation } from '../score-predictions.js'
import { confusionHtml } from './confusion.js'
import { definitions, flatten, page, percent } from '../../results/html.js'
import { classTable } from './class-table.js'
import { mistakeHtml } from './report.js'

export interface EvaluationReport {
  readonly title: string
  readonly evaluation: ModelEvaluation
  /** Images that could not be predicted. */
  readonly failed: number
  /** JPEGs of the mistakes, in their order; undefined where a picture could not be read any more. */
  readonly thumbnails: readonly (Uint8Array | undefined)[]
  /** Model, source and settings. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** How well a model recognises labelled images, as one HTML file. */
export function evaluationHtml({ title, evaluation, failed, thumbnails, facts }: EvaluationReport): string {
  const { images, accuracy, top5, macroF1, classes, confusion, mistakes } = evaluation
  const names = classes.map(({ name }) => name)
  const shown = mistakes.map((mistake, i) => mistakeHtml(mistake, thumbnails[i])).join('\n')
  const tiles = definitions('tiles', [
    ['accuracy', percent(accuracy)],
    ['among the five likeliest', percent(top5)],
    ['mean F1', percent(macroF1)],
    ['images', images.toLocaleString('en-US')],
    ...(failed > 0 ? [['images left out', failed.toLocaleString('en-US')] as const] : []),
  ])
  return page(
    title,
    `${tiles}
<h2>Confusion</h2>${confusionHtml(names, confusion)}
<h2>Classes</h2>${classTable(names, classes)}
<h2>Surest mistakes</h2>${mistakes.length === 0 ? '<p>None.</p>' : `<div class="mistakes">${shown}</div>`}
<h2>What was evaluated</h2>${definitions('facts', flatten(facts))}`,
  )
}
