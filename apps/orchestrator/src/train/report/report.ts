import type { Evaluation, MetricsLine, Mistake } from '../metrics-line.js'
import { lineChart } from './chart.js'
import { confusionHtml } from './confusion.js'
import { escapeHtml, percent, table } from './html.js'

export interface ReportInput {
  readonly title: string
  readonly classes: readonly string[]
  readonly lines: readonly MetricsLine[]
  readonly best: Evaluation | undefined
  /** JPEGs of the mistakes, in their order; undefined where a picture could not be read any more. */
  readonly thumbnails: readonly (Uint8Array | undefined)[]
  readonly lineage: Readonly<Record<string, unknown>>
}

/** Light and dark; no font, script or picture from elsewhere. */
const style = `:root{color-scheme:light dark;--line:#8884;--a:#1f6feb;--b:#d1570a}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);text-align:left}
.n{text-align:right}.scroll{overflow-x:auto}.charts{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 380px}
svg{width:100%;height:auto}.grid{stroke:var(--line)}.tick{font-size:11px;fill:currentColor;opacity:.7}
.line{fill:none;stroke-width:2}.a{--c:var(--a)}.b{--c:var(--b)}.line{stroke:var(--c)}.dot{fill:var(--c)}.key{color:var(--c);margin-left:.6rem}
.confusion td{text-align:right;min-width:2.2rem}.hit{background:rgb(31 111 235/calc(var(--s)*.6))}.miss{background:rgb(209 87 10/calc(var(--s)*.8))}
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:1rem}.mistakes img{max-width:100%;height:auto;display:block}
.mistakes div{font-size:.85rem;overflow-wrap:anywhere}pre{overflow-x:auto;padding:1rem;border:1px solid var(--line)}`

function curves(lines: readonly MetricsLine[]): string {
  const held = lines.some(({ validation }) => validation !== undefined)
  const series = (pick: (line: MetricsLine) => number | undefined, other: (line: MetricsLine) => number | undefined) => [
    { name: 'training', style: 'a', values: lines.map(line => pick(line) ?? NaN) },
    ...(held ? [{ name: 'held out', style: 'b', values: lines.map(line => other(line) ?? NaN) }] : []),
  ]
  const loss = lineChart({
    title: 'Loss',
    series: series(
      line => line.training.loss,
      line => line.validation?.loss,
    ),
  })
  const accuracy = lineChart({
    title: 'Accuracy',
    series: series(
      line => line.training.accuracy,
      line => line.validation?.accuracy,
    ),
    range: [0, 1],
  })
  return `<div class="charts">${loss}${accuracy}</div>`
}

function epochTable(lines: readonly MetricsLine[]): string {
  const number = true
  const columns = [
    { title: 'epoch', number },
    { title: 'updates', number },
    { title: 'learning rate', number },
    { title: 'training loss', number },
    { title: 'training accuracy', number },
    { title: 'held-out loss', number },
    { title: 'held-out accuracy', number },
    { title: '' },
  ]
  return table(
    columns,
    lines.map(({ epoch, step, learningRate, training, validation, best }) => [
      String(epoch),
      String(step),
      learningRate.toPrecision(3),
      training.loss.toFixed(4),
      percent(training.accuracy),
      validation === undefined ? '' : validation.loss.toFixed(4),
      validation === undefined ? '' : percent(validation.accuracy),
      best ? 'best so far' : '',
    ]),
  )
}

function classTable(classes: readonly string[], { summary }: Evaluation): string {
  const number = true
  const columns = [
    { title: 'class' },
    { title: 'images', number },
    { title: 'precision', number },
    { title: 'recall', number },
    { title: 'F1', number },
  ]
  return table(
    columns,
    summary.perClass.map(({ support, precision, recall, f1 }, i) => [
      classes[i]!,
      String(support),
      percent(precision),
      percent(recall),
      percent(f1),
    ]),
  )
}

function mistakeHtml({ key, label, predicted, probability, loss }: Mistake, picture: Uint8Array | undefined): string {
  const image = picture === undefined ? '' : `<img alt="" src="data:image/jpeg;base64,${Buffer.from(picture).toString('base64')}">`
  return `<div>${image}<b>${escapeHtml(label)}</b> taken for <b>${escapeHtml(predicted)}</b> (${percent(probability)}, loss ${loss.toFixed(2)})<br>${escapeHtml(key)}</div>`
}

function heldOut({ classes, best, thumbnails }: ReportInput): string {
  if (best === undefined) return '<p>No images were held out: nothing is known about pictures that the network was not trained on.</p>'
  const { summary, mistakes, epoch } = best
  const shown = mistakes.map((mistake, i) => mistakeHtml(mistake, thumbnails[i])).join('\n')
  return `<p>Epoch ${epoch}, ${summary.samples} images: accuracy <b>${percent(summary.accuracy)}</b>, loss ${summary.loss.toFixed(4)}, mean F1 ${percent(summary.macroF1)}.</p>
<h2>Classes</h2>${classTable(classes, best)}
<h2>Confusion</h2>${confusionHtml(classes, summary.confusion)}
<h2>Worst mistakes</h2>${mistakes.length === 0 ? '<p>None.</p>' : `<div class="mistakes">${shown}</div>`}`
}

/** The report of a run: one HTML file that needs nothing else, with no script in it. */
export function reportHtml(input: ReportInput): string {
  const { title, lines, lineage } = input
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<h2>Held-out images</h2>${heldOut(input)}
<h2>Training</h2>${curves(lines)}${epochTable(lines)}
<h2>Spec and lineage</h2><pre>${escapeHtml(JSON.stringify(lineage, null, 2))}</pre>
</body></html>
`
}
