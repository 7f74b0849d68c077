import { style } from './style.js'

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text as HTML, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, character => entities[character]!)
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

export interface Column {
  readonly title: string
  readonly number?: boolean
}

/** Wraps content that may be wider than the page and then scrolls, also by the keyboard. */
export function scrolling(label: string, content: string): string {
  return `<div class="scroll" role="region" tabindex="0" aria-label="${escapeHtml(label)}">${content}</div>`
}

/** Names and values side by side. */
export function definitions(style: 'tiles' | 'facts', pairs: readonly (readonly [name: string, value: string])[]): string {
  const items = pairs.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
  return `<dl class="${style}">${items.join('\n')}</dl>`
}

/** A table of texts. */
export function table(label: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cell = (tag: 'th' | 'td', text: string, column: Column | undefined): string =>
    `<${tag}${column?.number === true ? ' class="n"' : ''}>${escapeHtml(text)}</${tag}>`
  const head = columns.map(column => cell('th', column.title, column)).join('')
  const body = rows.map(row => `<tr>${row.map((text, i) => cell('td', text, columns[i])).join('')}</tr>`).join('\n')
  return scrolling(label, `<table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`)
}

/** A tree of settings as names with dots and texts. */
export function flatten(value: unknown, name = ''): [string, string][] {
  if (Array.isArray(value))
    return [[name, value.length === 0 ? 'none' : value.map(item => (typeof item === 'string' ? item : JSON.stringify(item))).join(', ')]]
  if (typeof value !== 'object' || value === null) return [[name, String(value)]]
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, name === '' ? key : `${name}.${key}`))
}

/** A picture of a file's bytes, JPEG or PNG, within the page; its absence where there are none. */
export function inlinePicture(bytes: Uint8Array | undefined, alt = ''): string {
  if (bytes === undefined) return '<span class="gone">no picture</span>'
  const kind = bytes[0] === 0x89 ? 'png' : 'jpeg'
  return `<img alt="${escapeHtml(alt)}" src="data:image/${kind};base64,${Buffer.from(bytes).toString('base64')}">`
}

/**
 * Pictures, one below the other, with what is known of them; cards stand in an element of class `mistakes`.
 * @param html what is known, as HTML
 */
export function pictureCard(pictures: readonly (Uint8Array | undefined)[], html: string, key: string): string {
  return `<div>${pictures.map(bytes => inlinePicture(bytes)).join('')}${html}<small>${escapeHtml(key)}</small></div>`
}

/** One HTML file that needs nothing else, with no script in it. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body><main>
<h1>${escapeHtml(title)}</h1>
${body}
</main></body></html>
`
}
