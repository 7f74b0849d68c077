import { escapeHtml } from './html.js'

/** More classes than this make no readable matrix: only the pairs confused most are shown. */
const largestMatrix = 30
const shownPairs = 40

function matrix(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  const head = classes.map(name => `<th class="slant"><span>${escapeHtml(name)}</span></th>`).join('')
  const rows = counts.map((row, label) => {
    const total = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    )
    const cells = row.map((count, predicted) => {
      const kind = predicted === label ? 'hit' : 'miss'
      const title = `${classes[label]} taken for ${classes[predicted]}: ${count}`
      return `<td class="${kind}" style="--s:${(count / total).toFixed(3)}" title="${escapeHtml(title)}">${count === 0 ? '' : count}</td>`
    })
    return `<tr><th>${escapeHtml(classes[label]!)}</th>${cells.join('')}</tr>`
  })
  return `<div class="scroll"><table class="confusion"><thead><tr><th>class \\ predicted</th>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`
}

function pairs(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  const found = counts.flatMap((row, label) => row.map((count, predicted) => ({ count, label, predicted })))
  const worst = found
    .filter(({ count, label, predicted }) => count > 0 && label !== predicted)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, shownPairs)
  const items = worst.map(
    ({ count, label, predicted }) => `<li>${escapeHtml(classes[label]!)} taken for ${escapeHtml(classes[predicted]!)}: ${count}</li>`,
  )
  return `<p>${classes.length} classes: the pairs confused most.</p><ul>${items.join('')}</ul>`
}

/** `counts[label][predicted]` for people. */
export function confusionHtml(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  return classes.length <= largestMatrix ? matrix(classes, counts) : pairs(classes, counts)
}
