import { escapeHtml, scrolling } from '../../results/html.js'

/** More classes than this make no readable matrix: only the pairs confused most are shown. */
const largestMatrix = 30
const shownPairs = 40

function matrix(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  const head = classes.map(name => `<th class="slant" title="${escapeHtml(name)}"><span>${escapeHtml(name)}</span></th>`).join('')
  const rows = counts.map((row, label) => {
    const total = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    )
    const cells = row.map((count, predicted) => {
      const kind = predicted === label ? 'hit' : 'miss'
      const title =
        predicted === label ? `${classes[label]}: ${count} of ${total}` : `${classes[label]} taken for ${classes[predicted]}: ${count}`
      return `<td class="${kind}" style="--s:${(count / total).toFixed(3)}" title="${escapeHtml(title)}">${count === 0 ? '' : count}</td>`
    })
    return `<tr><th scope="row">${escapeHtml(classes[label]!)}</th>${cells.join('')}</tr>`
  })
  const header = `<thead><tr><th class="soft">rows: what it is, columns: taken for</th>${head}</tr></thead>`
  return scrolling('Confusion', `<table class="confusion">${header}<tbody>${rows.join('\n')}</tbody></table>`)
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
  return `<p>${classes.length} classes: the pairs confused most.</p><ul class="pairs">${items.join('')}</ul>`
}

/** `counts[label][predicted]` for people. */
export function confusionHtml(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  return classes.length <= largestMatrix ? matrix(classes, counts) : pairs(classes, counts)
}
