/** Start of a formula, as spreadsheets read it where a cell begins; full-width forms are included. */
const formula = /(^|[;|\t\r\n][ ;|\t\r\n]*)(?=[=+\-@\uFF0B\uFF0D\uFF1D\uFF20])/g

/**
 * One line of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula is led in by an apostrophe; so is what follows a
 * `;`, `|` or tab, where a spreadsheet of another country begins a new cell.
 */
export function csvRow(values: readonly (string | number)[]): string {
  const cells = values.map(value => {
    if (typeof value === 'number') return String(value)
    const led = value.replace(formula, "$1'")
    const safe = /^[\t\r]/.test(led) ? `'${led}` : led
    return /[",;|\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  })
  return `${cells.join(',')}\r\n`
}

/** Cells of each line of a CSV file (RFC 4180) that `csvRow` wrote. Apostrophes that lead in a formula are taken away again at the start. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows
      .at(-1)!
      .push(quoted === undefined ? plain!.replace(/^'(?=[=+\-@\t\r])/, '') : quoted.replaceAll('""', '"').replace(/^'(?=[=+\-@\t\r])/, ''))
    if (end !== ',') rows.push([])
    if (end === '') break
  }
  return rows.filter(row => row.length > 1 || (row[0] ?? '') !== '')
}
