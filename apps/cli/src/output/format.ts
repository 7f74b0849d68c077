import { printableName } from '@layermill/core'

/** Bytes for people: `1.6 MB`. Decimal units, as disks are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`
}

/** A count for people: `12,345`. */
export function formatCount(count: number): string {
  // The locale's own formatter takes 10 ms to be made.
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** A count with its noun: `1 epoch`, `1,250 images`, `2 classes`. */
export function formatPlural(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`
}

/** Large numbers in short: `25.6 M`, `7.7 G`. */
export function formatMagnitude(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T']
  let scaled = value
  let unit = 0
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(scaled) : Number(scaled.toPrecision(3))}${units[unit]}`
}

/** Seconds for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'unknown'
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/**
 * Rows as aligned columns; numbers (right) and texts (left) by the header's alignment mark: `>` in front of a name aligns right. A cell
 * stays in its line.
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = header.map(name => name.startsWith('>'))
  const lines = [header.map(name => name.replace(/^>/, '')), ...rows].map(cells => cells.map(printableName))
  const widths = header.map((_, column) => Math.max(...lines.map(line => (line[column] ?? '').length)))
  return lines
    .map(line =>
      line
        .map((cell, column) => (right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
