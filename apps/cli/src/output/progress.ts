import { formatCount, formatSeconds } from './format.js'

/** Progress of a run, as its supervisor tells it. */
export interface ProgressState {
  /** Images finished, failed ones included. */
  readonly done: number
  readonly failed: number
  /** Images planned so far; the whole dataset once `planned`. */
  readonly total: number
  readonly planned: boolean
  /** Images that the cache had. */
  readonly cached?: number
  /** Images of those done that were there before: they say nothing of the rate. */
  readonly kept?: number
}

export interface ProgressOptions {
  readonly stream: NodeJS.WriteStream
  /** Milliseconds since any epoch. */
  readonly now?: () => number
  /** Least time between two lines where the stream is no terminal, in milliseconds. Default 5,000. */
  readonly lineInterval?: number
  /** Milliseconds from the first update on in which nothing is drawn. Default 0. */
  readonly delay?: number
}

/** Widths of the bar, from the widest line to the narrowest. */
const barWidths = [24, 16, 8, 4, 0] as const

/** Share of a bar that is filled at most as long as images are listed. */
const mostWhileListed = 0.9

/** Milliseconds of steady work before a time left means something: the first batch warms up. */
export const steadyMs = 2000

/** Images a second over a time. */
export function rateOf(images: number, milliseconds: number): number {
  return milliseconds <= 0 ? 0 : (images * 1000) / milliseconds
}

function bar(share: number, width: number): string {
  if (width === 0) return ''
  const filled = Math.round(share * width)
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} `
}

/**
 * One line: bar, done of total, images/s, time left, failures. The bar shrinks until the line is shorter than `columns`, then what matters
 * least is left out.
 * @param tellsLeft whether the rate is steady enough for a time left
 */
export function progressLine(state: ProgressState, imagesPerSecond: number, columns = Infinity, tellsLeft = true): string {
  // More images may come as long as they are listed: the bar is full once it stays so.
  const share = state.total === 0 ? 0 : Math.min(state.done / state.total, state.planned ? 1 : mostWhileListed)
  const count = `${formatCount(state.done)}/${formatCount(state.total)}${state.planned ? '' : '+'}`
  const rate = `${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`
  const left =
    tellsLeft && state.planned && imagesPerSecond > 0 && state.done < state.total
      ? [`${formatSeconds((state.total - state.done) / imagesPerSecond)} left`]
      : []
  const cached = state.cached !== undefined && state.cached > 0 ? [`${formatCount(state.cached)} from the cache`] : []
  const failed = state.failed > 0 ? [`${formatCount(state.failed)} failed`] : []
  const join = (...parts: string[]): string => parts.join(' · ')
  const lines = [
    ...barWidths.map(width => join(`${bar(share, width)}${count} images`, rate, ...left, ...cached, ...failed)),
    ...[8, 4, 0].map(width => join(`${bar(share, width)}${count}`, rate, ...left, ...failed)),
    join(count, ...left, ...failed),
    count,
  ]
  return lines.find(({ length }) => length < columns) ?? count.slice(0, Math.max(0, columns - 1))
}

/** Images finished by what is under way, without those that were there before. */
const doneHere = ({ done, kept = 0 }: ProgressState): number => done - kept

/** Draws a run's progress: one line redrawn in place on a terminal, a line now and then elsewhere. */
export class Progress {
  private readonly now: () => number
  private readonly lineInterval: number
  private started: number | undefined
  private doneAtStart = 0
  /** Time and images of the first that this process finished: the time before is the start's. */
  private warm: { readonly time: number; readonly done: number } | undefined
  private lastLine = -Infinity
  private drawn = false

  constructor(private readonly options: ProgressOptions) {
    this.now = options.now ?? (() => performance.now())
    this.lineInterval = options.lineInterval ?? 5000
  }

  update(state: ProgressState): void {
    const time = this.now()
    const done = doneHere(state)
    if (this.started === undefined) {
      this.started = time
      this.doneAtStart = done
    }
    if (this.warm === undefined && done > this.doneAtStart) this.warm = { time, done }
    const { stream, delay = 0 } = this.options
    if (time - this.started < delay) return
    const whole = state.planned && state.done >= state.total
    if (!stream.isTTY && time - this.lastLine < this.lineInterval && !whole) return
    this.lastLine = time
    const line = this.line(state, time)
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`)
    this.drawn = true
  }

  /** Ends the line, so that what follows starts on its own. */
  finish(): void {
    if (this.drawn && this.options.stream.isTTY) this.options.stream.write('\n')
    this.drawn = false
  }

  private line(state: ProgressState, time: number): string {
    const { stream } = this.options
    const columns = stream.isTTY ? stream.columns || 80 : Infinity
    const { warm } = this
    const done = doneHere(state)
    if (warm !== undefined && time - warm.time >= steadyMs && done > warm.done)
      return progressLine(state, rateOf(done - warm.done, time - warm.time), columns)
    return progressLine(state, rateOf(done - this.doneAtStart, time - (this.started ?? time)), columns, false)
  }
}
