import type { EvaluationSummary, HeadSummary } from '../metrics-line.js'
import { definitions, escapeHtml, percent, table } from '../../results/html.js'
import { classTable } from './class-table.js'
import { confusionHtml } from './confusion.js'

/** The figures that a report begins with. */
export function targetTiles({ accuracy, macroF1, labels, numbers, heads }: Omit<EvaluationSummary, 'loss'>): [string, string][] {
  if (heads !== undefined)
    return heads.flatMap(head => {
      const [tile] = targetTiles(head)
      return tile === undefined ? [] : [[`${head.name}: ${tile[0]}`, tile[1]] as [string, string]]
    })
  if (numbers !== undefined) {
    return [
      ['mean absolute error', numbers.mae.toPrecision(4)],
      ['R2', numbers.r2.toFixed(3)],
    ]
  }
  if (labels === undefined) {
    return [
      ['accuracy', percent(accuracy ?? 0)],
      ['mean F1', percent(macroF1 ?? 0)],
    ]
  }
  return [
    ['mean average precision', percent(labels.meanAveragePrecision)],
    ['macro F1', percent(labels.macroF1)],
    ['micro F1', percent(labels.microF1)],
    ['all labels right', percent(labels.accuracy)],
  ]
}

/** Tables of several labels an image, or of numbers; undefined where each image is of one class. */
export function targetTables(
  names: readonly string[],
  { labels, numbers, heads }: Omit<EvaluationSummary, 'loss'>,
  heading = 'h2',
): string | undefined {
  if (heads !== undefined) return heads.map(headSection).join('\n')
  const number = true
  if (numbers !== undefined) {
    const columns = [
      { title: 'output' },
      { title: 'mean absolute error', number },
      { title: 'root mean square', number },
      { title: 'R2', number },
    ]
    const rows = numbers.perOutput.map(({ mae, rmse, r2 }, i) => [names[i]!, mae.toPrecision(4), rmse.toPrecision(4), r2.toFixed(3)])
    return `<${heading}>Numbers</${heading}>${table('Numbers', columns, rows)}`
  }
  if (labels === undefined) return undefined
  const titles = ['images', 'average precision', 'precision', 'recall', 'F1', 'threshold', 'F1 there']
  const columns = [{ title: 'class' }, ...titles.map(title => ({ title, number }))]
  const rows = labels.perClass.map((of, i) => [
    names[i]!,
    String(of.support),
    percent(of.averagePrecision),
    percent(of.precision),
    percent(of.recall),
    percent(of.f1),
    of.threshold.toFixed(3),
    percent(of.bestF1),
  ])
  return `<${heading}>Classes</${heading}><p class="soft">Precision, recall and F1 at a probability of one half. The threshold has the largest F1 on these
same images, so that F1 is a little too good.</p>${table('Classes', columns, rows)}`
}

/** Figures and tables of one of several targets; its loss may not be known. */
export function headSection(head: Omit<HeadSummary, 'loss'> & { readonly loss?: number }): string {
  const { name, classes, samples, loss, top5, perClass, confusion } = head
  const tiles: [string, string][] = [
    ...targetTiles(head),
    ...(top5 === undefined ? [] : [['among the five likeliest', percent(top5)] as [string, string]]),
    ...(loss === undefined ? [] : [['loss', loss.toFixed(4)] as [string, string]]),
    ['images with a value', samples.toLocaleString('en-US')],
  ]
  const tables = targetTables(classes, head, 'h3')
  const own = tables ?? `<h3>Confusion</h3>${confusionHtml(classes, confusion)}\n<h3>Classes</h3>${classTable(classes, perClass)}`
  return `<h2>Target ${escapeHtml(name)}</h2>${definitions('tiles', tiles)}\n${own}`
}
