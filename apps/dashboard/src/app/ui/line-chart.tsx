import { useState } from 'preact/hooks'

export interface Series {
  readonly name: string
  /** Which of the chart colours. */
  readonly colour: 'a' | 'b' | 'c' | 'd' | 'e' | 'f'
  readonly values: readonly number[]
}

interface LineChartProps {
  readonly title: string
  readonly series: readonly Series[]
  /** Of the first value on the horizontal axis. */
  readonly from?: number
  readonly unit?: string
  readonly range?: readonly [number, number]
  readonly format?: (value: number) => string
  /** Powers of ten are equally far apart. Values that are not above 0 leave gaps. */
  readonly log?: boolean
  /** A value, from 0, that gets a line of its own, and what it is. */
  readonly mark?: { readonly at: number; readonly text: string } | undefined
}

const size = { width: 520, height: 220 }
const margin = { left: 46, right: 14, top: 12, bottom: 26 }

/** A step of 1, 2 or 5 times a power of ten that cuts a span into about `pieces`. */
function tickStep(span: number, pieces: number): number {
  const rough = span / pieces
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough) ?? rough
}

function ticks(low: number, high: number, pieces: number): number[] {
  const step = tickStep(high - low, pieces)
  const found: number[] = []
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step)
  return found
}

/** Powers of ten, and 2 and 5 times them where there are few. */
function logTicks(low: number, high: number): number[] {
  const steps = high / low > 100 ? [1] : [1, 2, 5]
  const found: number[] = []
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) for (const step of steps) found.push(step * 10 ** power)
  const within = found.filter(value => value >= low && value <= high)
  const every = Math.ceil(within.length / 6)
  return within.filter((_, i) => i % every === 0)
}

function bounds(series: readonly Series[], log: boolean): readonly [number, number] {
  const values = series.flatMap(({ values: all }) => all.filter(Number.isFinite))
  if (log) {
    const above = values.filter(value => value > 0)
    return above.length === 0 ? [0.1, 1] : [Math.min(...above) * 0.9, Math.max(...above) * 1.1]
  }
  const high = Math.max(0, ...values)
  return [Math.min(0, ...values), high > 0 ? high * 1.05 : 1]
}

const plain = (value: number): string => Number(value.toPrecision(3)).toString()

/** Lines over epochs or steps, drawn with the page's own colours; the pointer or the arrow keys read single values. */
export function LineChart({ title, series, from = 1, unit = 'epoch', range, format = plain, log = false, mark }: LineChartProps) {
  const [at, setAt] = useState<number | undefined>()
  const length = Math.max(1, ...series.map(({ values }) => values.length))
  const [low, high] = (log ? undefined : range) ?? bounds(series, log)
  const scaled = (value: number): number => (log ? Math.log(value) : value)
  const isShown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value) && (!log || value > 0)
  const x = (i: number): number => margin.left + (length === 1 ? 0.5 : i / (length - 1)) * (size.width - margin.left - margin.right)
  const y = (value: number): number =>
    size.height -
    margin.bottom -
    ((scaled(value) - scaled(low)) / (scaled(high) - scaled(low))) * (size.height - margin.top - margin.bottom)
  const shown = Math.min(at ?? length - 1, length - 1)
  const move = (event: PointerEvent): void => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect()
    const place = ((event.clientX - box.left) / box.width) * size.width
    const share = (place - margin.left) / (size.width - margin.left - margin.right)
    setAt(Math.max(0, Math.min(length - 1, Math.round(share * (length - 1)))))
  }
  const step = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (by === undefined) return
    event.preventDefault()
    setAt(Math.max(0, Math.min(length - 1, shown + by)))
  }
  const valueText = series.map(({ name, values }) => `${name} ${values[shown] === undefined ? '–' : format(values[shown])}`).join(', ')
  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        <span class="muted">
          {unit} {from + shown}
        </span>
        {series.map(({ name, colour, values }) => (
          <span key={name} class={`key ${colour}`}>
            {name} <b>{values[shown] === undefined ? '–' : format(values[shown])}</b>
          </span>
        ))}
      </figcaption>
      <svg
        viewBox={`0 0 ${size.width} ${size.height}`}
        role="slider"
        tabindex={0}
        aria-label={`${title} by ${unit}`}
        aria-valuemin={from}
        aria-valuemax={from + length - 1}
        aria-valuenow={from + shown}
        aria-valuetext={`${unit} ${from + shown}: ${valueText}`}
        onPointerMove={move}
        onPointerLeave={() => setAt(undefined)}
        onKeyDown={step}
      >
        {(log ? logTicks(low, high) : ticks(low, high, 4)).map(value => (
          <g key={value}>
            <line class="grid" x1={margin.left} x2={size.width - margin.right} y1={y(value)} y2={y(value)} />
            <text class="tick" text-anchor="end" x={margin.left - 8} y={y(value) + 4}>
              {format(value)}
            </text>
          </g>
        ))}
        {ticks(0, Math.max(1, length - 1), 8)
          .filter(i => Number.isInteger(i) && i < length)
          .map(i => (
            <text key={i} class="tick" text-anchor="middle" x={x(i)} y={size.height - 8}>
              {from + i}
            </text>
          ))}
        {mark === undefined || mark.at < 0 || mark.at >= length ? null : (
          <g>
            <line class="cursor" x1={x(mark.at)} x2={x(mark.at)} y1={margin.top} y2={size.height - margin.bottom} />
            <text
              class="tick"
              text-anchor={mark.at > length / 2 ? 'end' : 'start'}
              x={x(mark.at) + (mark.at > length / 2 ? -5 : 5)}
              y={margin.top + 9}
            >
              {mark.text}
            </text>
          </g>
        )}
        {at === undefined ? null : <line class="cursor" x1={x(shown)} x2={x(shown)} y1={margin.top} y2={size.height - margin.bottom} />}
        {series.map(({ name, colour, values }) => (
          <g key={name} class={`line ${colour}`}>
            <polyline
              points={values.flatMap((value, i) => (isShown(value) ? [`${x(i).toFixed(1)},${y(value).toFixed(1)}`] : [])).join(' ')}
            />
            {isShown(values[shown]) ? <circle cx={x(shown)} cy={y(values[shown] ?? 0)} r="3.5" /> : null}
          </g>
        ))}
      </svg>
    </figure>
  )
}
