import type { ModelEvaluation } from '@layermill/orchestrator/train'
import { formatCount, formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

/** Prints how well a model recognises classes. */
export function printClasses(output: Output, { images, accuracy, top5, macroF1, classes, confusion }: ModelEvaluation): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)}%`
  output.line(
    formatTable(
      ['class', '>images', '>precision', '>recall', '>F1'],
      classes.map(({ name, support, precision, recall, f1 }) => [name, formatCount(support), ...[precision, recall, f1].map(percent)]),
    ),
  )
  const pairs = confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ count, label, predicted })))
    .filter(({ count, label, predicted }) => count > 0 && label !== predicted)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 10)
  if (pairs.length > 0) output.line('')
  for (const { count, label, predicted } of pairs)
    output.line(`${classes[label]!.name} taken for ${classes[predicted]!.name}: ${formatCount(count)}`)
  output.line(`\naccuracy ${percent(accuracy)} (top 5: ${percent(top5)}), mean F1 ${percent(macroF1)}: ${formatPlural(images, 'image')}`)
}
