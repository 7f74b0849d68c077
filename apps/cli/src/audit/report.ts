import { definitions, escapeHtml, page, pictureCard, table } from '@layermill/orchestrator/results'
import { formatCount } from '../output/format.js'
import { driftText, type ImageDrift } from './drift.js'
import { cannotBeToldApart, type Confusable, type Finding, findingKinds } from './findings.js'
import type { Shortcut } from './quality.js'

/** Findings of one kind that are shown with their pictures. */
export const mostPictures = 40
/** And in tables. */
const mostRows = 500

export interface AuditReport {
  readonly findings: readonly Finding[]
  readonly confusable: readonly Confusable[]
  readonly shortcuts: readonly Shortcut[]
  readonly drift: ImageDrift | undefined
  readonly facts: readonly (readonly [string, string])[]
  /** Small pictures by key. */
  readonly pictures: ReadonlyMap<string, Uint8Array>
}

/** Findings of a kind whose pictures the report shows. */
export const shownOf = (findings: readonly Finding[], kind: string): Finding[] =>
  findings.filter(({ finding }) => finding === kind).slice(0, mostPictures)

function driftPart(drift: ImageDrift | undefined): string {
  if (drift === undefined) return ''
  const columns = [{ title: 'image' }, { title: 'probability to be new', number: true }]
  const rows = drift.images.map(({ key, probability }) => [key, probability.toFixed(3)])
  return `<p>${escapeHtml(driftText(drift))}</p>${table('Images that differ most from the reference', columns, rows)}`
}

function shortcutPart(shortcuts: readonly Shortcut[]): string {
  if (shortcuts.length === 0) return ''
  const columns = [{ title: 'class' }, { title: 'size' }, { title: 'images', number: true }, { title: 'share of the class', number: true }]
  const rows = shortcuts.map(({ class: name, size, images, share }) => [name, size, formatCount(images), `${(100 * share).toFixed(0)}%`])
  return `<h2>Sizes that only one class has</h2>
<p class="soft">A network may learn the size of the picture instead of what is to be seen on it.</p>${table('Sizes', columns, rows)}`
}

function confusablePart(confusable: readonly Confusable[]): string {
  if (confusable.length === 0) return ''
  const numbers = ['images', 'share', 'area under the curve'].map(title => ({ title, number: true }))
  const rows = confusable.map(pair => {
    const [a, b] = pair.classes
    const numbersOf = [formatCount(pair.images), `${(100 * pair.share).toFixed(1)}%`, pair.auc.toFixed(3)]
    return [a, b, ...numbersOf, cannotBeToldApart(pair) ? 'cannot be told apart' : '']
  })
  return `<h2>Classes that are taken for each other</h2>${table('Classes', [{ title: 'class' }, { title: 'and' }, ...numbers, { title: '' }], rows)}`
}

function kindPart(kind: string, { findings, pictures }: AuditReport): string {
  const rows = findings.filter(({ finding }) => finding === kind)
  const title = `<h2>${kind}: ${formatCount(rows.length)}</h2>`
  if (rows.length === 0) return `${title}<p>None.</p>`
  const known = shownOf(findings, kind).filter(({ key }) => pictures.has(key))
  const cards = known.map(({ key, score, group, label, detail }) => {
    const texts = [group === undefined ? undefined : `group ${group}`, label, detail, score.toPrecision(3)]
    return pictureCard([pictures.get(key)], escapeHtml(texts.filter(text => text !== undefined).join(' · ')), key)
  })
  const columns = [
    { title: 'image' },
    { title: 'score', number: true },
    { title: 'group', number: true },
    { title: 'label' },
    { title: 'detail' },
  ]
  const shown = rows
    .slice(0, mostRows)
    .map(({ key, score, group, label, detail }) => [key, score.toPrecision(4), String(group ?? ''), label ?? '', detail ?? ''])
  return `${title}${cards.length === 0 ? '' : `<div class="mistakes">${cards.join('\n')}</div>`}${table(kind, columns, shown)}`
}

/** An audit as one HTML file that needs no other. */
export const auditHtml = (report: AuditReport): string =>
  page(
    'Audit',
    `${driftPart(report.drift)}${shortcutPart(report.shortcuts)}${confusablePart(report.confusable)}
<p class="soft">Findings are images to look at: a list of suspect labels is never right throughout, and is no list to delete.</p>
${findingKinds.map(kind => kindPart(kind, report)).join('\n')}
<h2>Settings</h2>${definitions('facts', report.facts)}`,
  )
