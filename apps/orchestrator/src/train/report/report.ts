import type { WorkerPhases } from '@layermill/contracts'
import { phasesHtml } from '../../results/phases.js'
import type { Evaluation, MetricsLine, Mistake } from '../metrics-line.js'
import { lineChart } from './chart.js'
import { classTable } from './class-table.js'
import { confusionHtml } from './confusion.js'
import type { ExplainedMistakes } from './explain-mistakes.js'
import { targetTables, targetTiles } from './targets.js'
import { definitions, escapeHtml, flatten, page, percent, pictureCard, table } from '../../results/html.js'

export interface ReportInput {
  readonly title: string
  readonly classes: readonly string[]
  readonly lines: readonly MetricsLine[]
  readonly best: Evaluation | undefined
  /** JPEGs of the mistakes, in their order; undefined where a picture could not be read any more. */
  readonly thumbnails: readonly (Uint8Array | undefined)[]
  /** Places in the worst of them that the answers come from. */
  readonly explained?: ExplainedMistakes
  /** Busy time of the workers. */
  readonly phases?: readonly WorkerPhases[]
  readonly lineage: Readonly<Record<string, unknown>>
}

/** A mistake whose loss may be unknown. */
type ShownMistake = Omit<Mistake, 'loss'> & { readonly loss?: number }

/** More epochs than this are a list that opens on demand. */
const foldedEpochs = 25

function curves(lines: readonly MetricsLine[], mark: number | undefined): string {
  const held = lines.some(({ validation }) => validation !== undefined)
  const series = (pick: (line: MetricsLine) => number | undefined, other: (line: MetricsLine) => number | undefined) => [
    { name: 'training', style: 'a', values: lines.map(line => pick(line) ?? NaN) },
    ...(held ? [{ name: 'held out', style: 'b', values: lines.map(line => other(line) ?? NaN) }] : []),
  ]
  const marked = mark === undefined ? {} : { mark }
  const loss = lineChart({
    ...marked,
    title: 'Loss',
    series: series(
      line => line.training.loss,
      line => line.validation?.loss,
    ),
  })
  if (lines.length > 0 && lines.every(({ training }) => training.accuracy === undefined)) return `<div class="charts">${loss}</div>`
  const accuracy = lineChart({
    ...marked,
    title: 'Accuracy',
    series: series(
      line => line.training.accuracy,
      line => line.validation?.accuracy,
    ),
    range: [0, 1],
  })
  return `<div class="charts">${loss}${accuracy}</div>`
}

const shareOf = (share: number | undefined): string => (share === undefined ? '' : percent(share))

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
    { title: 'best so far' },
  ]
  return table(
    'Epochs',
    columns,
    lines.map(({ epoch, step, learningRate, training, validation, best }) => [
      String(epoch),
      String(step),
      learningRate.toPrecision(3),
      training.loss.toFixed(4),
      shareOf(training.accuracy),
      validation === undefined ? '' : validation.loss.toFixed(4),
      shareOf(validation?.accuracy),
      best && validation !== undefined ? 'yes' : '',
    ]),
  )
}

/** A picture, or its absence, with what it was taken for. */
export function mistakeHtml(
  { key, label, predicted, probability, loss }: ShownMistake,
  picture: Uint8Array | undefined,
  overlay?: Uint8Array,
): string {
  const numbers = [
    ...(probability === undefined ? [] : [percent(probability)]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(2)}`]),
  ].join(', ')
  return pictureCard(
    overlay === undefined ? [picture] : [picture, overlay],
    `<b>${escapeHtml(label)}</b> taken for <b>${escapeHtml(predicted)}</b> (${numbers})`,
    key,
  )
}

/** Words on the pictures below those of the mistakes, or on why there are none. */
function explanation({ overlays, layer }: ExplainedMistakes): string {
  if (typeof layer !== 'string') return `<p class="soft">Not explained: ${escapeHtml(layer.missing)}.</p>`
  const count = overlays.length === 1 ? 'it' : `the ${overlays.length} worst`
  return `<p class="soft">Below ${count}: warm where the picture speaks for the class that it was taken for (Grad-CAM at ${escapeHtml(layer)}).</p>`
}

function heldOut({ classes, best, thumbnails, explained }: ReportInput): string {
  if (best === undefined) return ''
  const { summary, mistakes } = best
  const cards = mistakes.map((mistake, i) => mistakeHtml(mistake, thumbnails[i], explained?.overlays[i])).join('\n')
  const shown = `${explained === undefined ? '' : explanation(explained)}<div class="mistakes">${cards}</div>`
  const targets = targetTables(classes, summary)
  if (targets !== undefined)
    return `${targets}
<h2>Worst mistakes</h2>${mistakes.length === 0 ? '<p>None.</p>' : shown}`
  return `<h2>Confusion</h2>${confusionHtml(classes, summary.confusion)}
<h2>Classes</h2>${classTable(classes, summary.perClass)}
<h2>Worst mistakes</h2>${mistakes.length === 0 ? '<p>None.</p>' : shown}`
}

function result({ lines, best }: ReportInput): string {
  const last = lines.at(-1)
  if (best === undefined) {
    const trained: [string, string][] =
      last === undefined
        ? []
        : [
            ...(last.training.accuracy === undefined ? [] : [['training accuracy', percent(last.training.accuracy)] as [string, string]]),
            ['training loss', last.training.loss.toFixed(4)],
          ]
    return `<p>No images were held out: nothing is known about pictures that the network was not trained on.</p>${definitions('tiles', trained)}`
  }
  const { summary, epoch } = best
  return `<p class="soft">On held-out images, with the parameters of the epoch whose loss on them is lowest.</p>${definitions('tiles', [
    ...targetTiles(summary),
    ['loss', summary.loss.toFixed(4)],
    ['held-out images', summary.samples.toLocaleString('en-US')],
    ['epoch', `${epoch} of ${lines.length}`],
  ])}`
}

/** The report of a run: one HTML file that needs nothing else, with no script in it. */
export function reportHtml(input: ReportInput): string {
  const { title, lines, lineage, best, phases = [] } = input
  return page(
    title,
    `${result(input)}
<h2>Training</h2>${curves(lines, best?.epoch)}
${heldOut(input)}
<h2>Epochs</h2><details${lines.length <= foldedEpochs ? ' open' : ''}><summary>${lines.length} epoch${lines.length === 1 ? '' : 's'}</summary>${epochTable(lines)}</details>
${phases.length === 0 ? '' : `<h2>Where the time went</h2>${phasesHtml(phases)}`}
<h2>Spec and lineage</h2>${definitions('facts', flatten(lineage))}
<details><summary>as JSON</summary><pre>${escapeHtml(JSON.stringify(lineage, null, 2))}</pre></details>`,
  )
}
