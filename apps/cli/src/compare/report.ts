import { clusterTree, leavesOf, type Tree } from '@layermill/analysis'
import { pairNumberOf, pairNumbers } from '@layermill/contracts'
import { definitions, escapeHtml, page, scrolling, table } from '@layermill/orchestrator/results'
import type { PairResult } from './measures.js'

/** Content of a comparison's report. */
export interface ReportInput {
  readonly names: readonly string[]
  readonly pairs: readonly PairResult[]
  readonly facts: readonly (readonly [string, string])[]
  readonly notes: readonly string[]
}

/** One number of a pair, by name. */
export interface Value {
  readonly name: string
  readonly title: string
  readonly of: (pair: PairResult) => number | null | undefined
}

/** The numbers of a comparison that are shown as matrices. */
export const values: readonly Value[] = pairNumbers.map(({ name, title, path }) => ({ name, title, of: pair => pairNumberOf(pair, path) }))

/** Numbers of all pairs of sets, both ways round; null where undefined, undefined where not computed. */
export function matrixOf(names: readonly string[], pairs: readonly PairResult[], { of }: Value): (number | null | undefined)[][] {
  const place = new Map(names.map((name, i) => [name, i]))
  const cells: (number | null | undefined)[][] = names.map(() => names.map(() => undefined))
  for (const pair of pairs) {
    const [a, b] = [place.get(pair.a)!, place.get(pair.b)!]
    cells[a]![b] = of(pair)
    cells[b]![a] = of(pair)
  }
  return cells
}

const short = (value: number | null | undefined): string => (value === null || value === undefined ? '' : value.toFixed(3))

/** Cells coloured by their share of 1, in the order of the tree. */
function heatMap(
  title: string,
  names: readonly string[],
  cells: readonly (readonly (number | null | undefined)[])[],
  order: readonly number[],
): string {
  const head = order.map(b => `<th class="slant"><span>${escapeHtml(names[b]!)}</span></th>`).join('')
  const rows = order.map(a => {
    const line = order.map(b => {
      const value = cells[a]![b]
      const share = Math.max(0, Math.min(1, value ?? 0)).toFixed(3)
      return `<td class="hit" style="--s:${share}" title="${escapeHtml(`${names[a]} and ${names[b]}: ${short(value) || 'undefined'}`)}">${order.length > 24 ? '' : short(value)}</td>`
    })
    return `<tr><th>${escapeHtml(names[a]!)}</th>${line.join('')}</tr>`
  })
  return scrolling(title, `<table class="confusion"><thead><tr><th></th>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`)
}

/** The tree as an SVG, leaves below each other, the distance to the right. */
function dendrogram(tree: Tree, names: readonly string[]): string {
  const [line, room, label] = [18, 420, 200]
  const lines: string[] = []
  const leaves = leavesOf(tree)
  const top = (node: Tree): number => ('leaf' in node ? Infinity : Math.max(node.distance, top(node.left), top(node.right)))
  const finite = (node: Tree): number => ('leaf' in node ? 0 : Math.max(node.distance, finite(node.left), finite(node.right)))
  const scale = room / Math.max(1e-9, Number.isFinite(top(tree)) ? top(tree) : finite(tree))
  const draw = (node: Tree): { x: number; y: number } => {
    if ('leaf' in node) return { x: label, y: (leaves.indexOf(node.leaf) + 0.7) * line }
    const [left, right] = [draw(node.left), draw(node.right)]
    const x = label + Math.max(0, node.distance) * scale
    lines.push(
      `<path class="line a" d="M${left.x.toFixed(1)} ${left.y.toFixed(1)}H${x.toFixed(1)}V${right.y.toFixed(1)}H${right.x.toFixed(1)}"/>`,
    )
    return { x, y: (left.y + right.y) / 2 }
  }
  draw(tree)
  const texts = leaves.map(
    (leaf, i) => `<text class="tick" x="${label - 6}" y="${(i + 0.9) * line}" text-anchor="end">${escapeHtml(names[leaf]!)}</text>`,
  )
  const width = label + room + 20
  return `<svg viewBox="0 0 ${width} ${(leaves.length + 1) * line}" role="img" aria-label="Sets by likeness" style="max-width:${width}px">${lines.join('')}${texts.join('')}</svg>`
}

/** A comparison as one HTML file that needs no other. */
export function compareHtml({ names, pairs, facts, notes }: ReportInput): string {
  const shown = values
    .map(value => ({ value, cells: matrixOf(names, pairs, value) }))
    .filter(({ cells }) => cells.some(row => row.some(cell => cell !== undefined)))
  const main = shown[0]?.cells ?? []
  const tree = names.length > 1 ? clusterTree(names.length, (a, b) => 1 - (main[a]?.[b] ?? 0)) : undefined
  const order = tree === undefined ? names.map((_, i) => i) : leavesOf(tree)
  const title = `${names.length} feature sets compared`
  const maps = shown.map(({ value, cells }) => `<h2>${escapeHtml(value.title)}</h2>${heatMap(value.title, names, cells, order)}`)
  const undefinedPairs = pairs.flatMap(({ a, b, notDefined = [] }) => notDefined.map(reason => [a, b, reason]))
  return page(
    title,
    `${notes.map(note => `<p class="soft">${escapeHtml(note)}</p>`).join('\n')}
${tree === undefined ? '' : `<h2>Likeness</h2><p class="soft">Groups joined at one less their mean ${escapeHtml(shown[0]?.value.title ?? '')}.</p>${dendrogram(tree, names)}`}
${maps.join('\n')}
${undefinedPairs.length === 0 ? '' : `<h2>Undefined</h2>${table('Undefined values', [{ title: 'a' }, { title: 'b' }, { title: 'reason' }], undefinedPairs)}`}
<h2>Settings</h2>${definitions('facts', facts)}`,
  )
}
