import { escapeHtml } from '../../results/html.js'

export interface Series {
  readonly name: string
  /** A CSS class that gives the colour. */
  readonly style: string
  readonly values: readonly number[]
}

export interface ChartOptions {
  readonly title: string
  readonly series: readonly Series[]
  /** Bounds of the y axis; by the values where left out. */
  readonly range?: readonly [number, number]
  /** An epoch, from 1, that gets a line of its own. */
  readonly mark?: number
}

const width = 520
const height = 240
const margin = { left: 52, right: 12, top: 12, bottom: 32 }

function bounds({ series, range }: ChartOptions): readonly [number, number] {
  if (range !== undefined) return range
  const values = series.flatMap(({ values }) => values.filter(Number.isFinite))
  const [low, high] = [Math.min(0, ...values), Math.max(...values, 0)]
  return high > low ? [low, high * 1.05] : [low, low + 1]
}

/** A step of 1, 2 or 5 times a power of ten that cuts a range into about `count` pieces. */
function tickStep(span: number, count: number): number {
  const rough = span / count
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough)!
}

function label(value: number): string {
  return Number(value.toPrecision(3)).toString()
}

/** Lines over epochs, as an SVG that needs nothing else. Values that are not finite leave gaps. */
export function lineChart(options: ChartOptions): string {
  const { title, series, mark } = options
  const epochs = Math.max(1, ...series.map(({ values }) => values.length))
  const [low, high] = bounds(options)
  const x = (i: number): number => margin.left + (epochs === 1 ? 0.5 : i / (epochs - 1)) * (width - margin.left - margin.right)
  const y = (value: number): number => height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom)
  const parts: string[] = []
  const step = tickStep(high - low, 4)
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
    parts.push(
      `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>`,
    )
    parts.push(`<text class="tick" text-anchor="end" x="${margin.left - 6}" y="${(y(value) + 4).toFixed(1)}">${label(value)}</text>`)
  }
  const every = Math.max(1, Math.ceil(tickStep(Math.max(1, epochs - 1), 8)))
  for (let i = 0; i < epochs; i += every)
    parts.push(`<text class="tick" text-anchor="middle" x="${x(i).toFixed(1)}" y="${height - 10}">${i + 1}</text>`)
  if (mark !== undefined && mark >= 1 && mark <= epochs) {
    const at = x(mark - 1).toFixed(1)
    parts.push(
      `<line class="mark" x1="${at}" x2="${at}" y1="${margin.top}" y2="${height - margin.bottom}"><title>epoch ${mark}, the model's</title></line>`,
    )
  }
  for (const { style, values, name } of series) {
    const points = values.flatMap((value, i) => (Number.isFinite(value) ? [`${x(i).toFixed(1)},${y(value).toFixed(1)}`] : []))
    parts.push(`<polyline class="line ${style}" points="${points.join(' ')}"><title>${escapeHtml(name)}</title></polyline>`)
    for (const point of points.length <= 40 ? points : points.slice(-1)) {
      const [cx, cy] = point.split(',')
      parts.push(`<circle class="dot ${style}" cx="${cx}" cy="${cy}" r="2.5"/>`)
    }
  }
  const legend = series.map(({ name, style }) => `<span class="key ${style}">${escapeHtml(name)}</span>`).join(' ')
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)} by epoch">${parts.join('')}</svg>`
  return `<figure><figcaption>${escapeHtml(title)} by epoch ${legend}</figcaption>${svg}</figure>`
}
