/** One line of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula is led in by an apostrophe. */
export function csvRow(values: readonly (string | number)[]): string {
  const cells = values.map(value => {
    if (typeof value === 'number') return String(value)
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  })
  return `${cells.join(',')}\r\n`
}
