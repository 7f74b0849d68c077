import { parseVersionUrl, type RunImage, type RunRecord } from '@layermill/contracts'
import { definitions, escapeHtml, flatten, inlinePicture, page, percent, pictureCard, table } from '../results/html.js'
import { phasesHtml } from '../results/phases.js'
import { mapColours } from './map-picture.js'
import type { FailureSummary, Sheet } from './sheet.js'

/** A picture of a run's map. */
export interface ReportMap {
  readonly layer: string
  readonly picture: Uint8Array
  readonly images: number
  readonly shown: number
  /** Groups in the order of the colours. */
  readonly groups: readonly string[]
}

export interface RunReportInput {
  readonly record: RunRecord
  readonly sheet: Sheet
  readonly failures: FailureSummary
  /** Reason in words where there is no map; undefined for runs without features. */
  readonly map: ReportMap | string | undefined
  /** A small picture by key; undefined for what cannot be read or decoded. */
  readonly picture: (key: string) => Uint8Array | undefined
}

/** Classes that are listed. */
const mostClasses = 30

const number = (value: number): string => value.toLocaleString('en-US')

function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`
}

function tiles({ counts, seconds, layers }: RunRecord, { known, right }: Sheet): string {
  const size = layers.reduce((sum, { bytesPerImage }) => sum + bytesPerImage, 0) * counts.done
  return definitions('tiles', [
    ['images', number(counts.done)],
    ['left out', number(counts.failed)],
    ...(counts.cached === undefined ? [] : [['from the cache', number(counts.cached)] as const]),
    ...(known === 0 ? [] : [['named rightly', percent(right / known)] as const]),
    ...(seconds === undefined || seconds === 0
      ? []
      : ([
          ['seconds', seconds.toFixed(1)],
          ['images/s', ((counts.computed ?? counts.done) / seconds).toFixed(1)],
        ] as const)),
    ...(size === 0 ? [] : [['features', bytesText(size)] as const]),
    ['parts', number(counts.parts)],
  ])
}

function failed({ total, codes, first }: FailureSummary, picture: RunReportInput['picture']): string {
  if (total === 0) return ''
  const counts = table(
    'Reasons',
    [{ title: 'reason' }, { title: 'images', number: true }],
    [...codes].toSorted(([, a], [, b]) => b - a).map(([code, images]) => [code, number(images)]),
  )
  const cards = first.map(({ key, code, reason }) => pictureCard([picture(key)], `<b>${escapeHtml(code)}</b> ${escapeHtml(reason)}`, key))
  const more = total > first.length ? `<p class="soft">The first ${first.length}; errors/ has them all.</p>` : ''
  return `<h2>Images left out</h2>${counts}${more}<div class="mistakes">${cards.join('\n')}</div>`
}

function whatIs({ label, predicted }: RunImage): string {
  const top = predicted?.[0]
  const own = label === undefined ? '' : `<b>${escapeHtml(label)}</b> `
  return top === undefined ? own : `${own}${escapeHtml(top.label)} (${percent(top.probability)})`
}

const mistake = ({ label = '', predicted }: RunImage): string =>
  `<b>${escapeHtml(label)}</b> taken for <b>${escapeHtml(predicted![0]!.label)}</b> (${percent(predicted![0]!.probability)})`

function classes({ taken, mistakes, known }: Sheet, picture: RunReportInput['picture']): string {
  if (taken.length === 0) return ''
  const columns = [{ title: 'class' }, { title: 'images', number: true }]
  const rows = taken.slice(0, mostClasses).map(([label, images]) => [label, number(images)])
  const more = taken.length > mostClasses ? `<p class="soft">and ${number(taken.length - mostClasses)} more classes.</p>` : ''
  const cards = mistakes.map(image => pictureCard([picture(image.key)], mistake(image), image.key))
  const wrong =
    known === 0 ? '' : `<h2>Surest mistakes</h2>${cards.length === 0 ? '<p>None.</p>' : `<div class="mistakes">${cards.join('\n')}</div>`}`
  return `<h2>Taken for</h2>${table('Classes', columns, rows)}${more}${wrong}`
}

function mapHtml(map: RunReportInput['map']): string {
  if (map === undefined) return ''
  if (typeof map === 'string') return `<h2>Map</h2><p class="soft">${escapeHtml(map)}</p>`
  const { layer, picture, images, shown, groups } = map
  const named = groups.slice(0, mapColours.length - 1)
  const legend = named.map((name, i) => `<li style="--g:${mapColours[i]}">${escapeHtml(name)}</li>`)
  const others = groups.length > named.length ? [`<li style="--g:${mapColours.at(-1)}">and ${groups.length - named.length} more</li>`] : []
  return `<h2>Map of ${escapeHtml(layer)}</h2>
<p class="soft">${number(shown)} of ${number(images)} images. Near each other means alike; distances far apart mean little.</p>
<div class="map">${inlinePicture(picture, `Map of ${number(shown)} images by ${layer}`)}</div>
<ul class="legend">${[...legend, ...others].join('')}</ul>`
}

function layerTable({ layers, counts }: RunRecord): string {
  if (layers.length === 0) return ''
  const columns = [
    { title: 'layer' },
    { title: 'shape' },
    { title: 'numbers' },
    { title: 'an image', number: true },
    { title: 'all', number: true },
  ]
  const rows = layers.map(({ name, shape, dtype, bytesPerImage }) => [
    name,
    shape.join('x'),
    dtype,
    bytesText(bytesPerImage),
    bytesText(bytesPerImage * counts.done),
  ])
  return `<h2>Layers</h2>${table('Layers', columns, rows)}`
}

/** A network's name, or that of a registered version. */
function modelName(model: string): string {
  const version = parseVersionUrl(model)
  return version === undefined ? model : `${version.name}@${version.version}`
}

/** The report of an extraction or a prediction: one HTML file that needs nothing else, with no script in it, however many images there are. */
export function runReportHtml({ record, sheet, failures, map, picture }: RunReportInput): string {
  const { spec, phases = [] } = record
  const cards = sheet.images.map(image => pictureCard([picture(image.key)], whatIs(image), image.key))
  const what = spec.kind === 'extract' ? record.layers.map(({ name }) => name).join(', ') : 'classes'
  return page(
    `${modelName(spec.model)}: ${what} of ${number(record.counts.done)} images`,
    `<p class="soft">${escapeHtml(spec.source)} · ${escapeHtml(record.id)}${record.finished === undefined ? '' : ` · ${escapeHtml(record.finished)}`}</p>
${tiles(record, sheet)}
${phases.length === 0 ? '' : `<h2>Where the time went</h2>${phasesHtml(phases)}`}
${failed(failures, picture)}
${classes(sheet, picture)}
<h2>Images</h2>${cards.length === 0 ? '<p>None.</p>' : `<p class="soft">${cards.length} of ${number(record.counts.done)}, spread over the run.</p><div class="mistakes">${cards.join('\n')}</div>`}
${mapHtml(map)}
${layerTable(record)}
<h2>Settings</h2>${definitions('facts', flatten(spec))}`,
  )
}
