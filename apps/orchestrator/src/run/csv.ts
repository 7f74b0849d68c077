/** Start of a formula, as spreadsheets read it where a cell begins, after apostrophes that are there; full-width forms are included. */
const formula = /(^|[;|\t\r\n][ ;|\t\r\n]*)(?='*[=+\-@\uFF0B\uFF0D\uFF1D\uFF20])/g
/** The same, led in by an apostrophe. */
const ledIn = /(^|[;|\t\r\n][ ;|\t\r\n]*)'(?='*[=+\-@\uFF0B\uFF0D\uFF1D\uFF20])/g

/**
 * One line of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula is led in by an apostrophe; so is what follows a
 * `;`, `|` or tab, where a spreadsheet of another country begins a new cell.
 */
export function csvRow(values: readonly (string | number)[]): string {
  const cells = values.map(value => {
    if (typeof value === 'number') return String(value)
    const led = value.replace(formula, "$1'")
    const safe = /^'*[\t\r]/.test(led) ? `'${led}` : led
    return /[",;|\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  })
  return `${cells.join(',')}\r\n`
}

/** A text as it was before `csvRow` led in what a spreadsheet would take for a formula. */
const asGiven = (cell: string): string => cell.replace(/^'(?='*[\t\r])/, '').replace(ledIn, '$1')

/** Cells of each line of a CSV file (RFC 4180) that `csvRow` wrote: the texts that it was given. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1)!.push(asGiven(quoted === undefined ? plain! : quoted.replaceAll('""', '"')))
    if (end !== ',') rows.push([])
    if (end === '') break
  }
  return rows.filter(row => row.length > 1 || (row[0] ?? '') !== '')
}
