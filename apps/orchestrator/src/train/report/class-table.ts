import type { ClassMetrics } from '@layermill/training'
import { percent, table } from '../../results/html.js'

/** A table of classes: how many images each has, and how well they are recognised. */
export function classTable(classes: readonly string[], perClass: readonly ClassMetrics[]): string {
  const number = true
  const columns = [
    { title: 'class' },
    { title: 'images', number },
    { title: 'precision', number },
    { title: 'recall', number },
    { title: 'F1', number },
  ]
  return table(
    'Classes',
    columns,
    perClass.map(({ support, precision, recall, f1 }, i) => [
      classes[i]!,
      String(support),
      percent(precision),
      percent(recall),
      percent(f1),
    ]),
  )
}
