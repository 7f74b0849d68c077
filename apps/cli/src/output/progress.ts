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

const barWidth = 24

/** Images a second over the time since start, images found done at the start left out. */
function rateOf(done: number, doneAtStart: number, milliseconds: number): number {
  return milliseconds <= 0 ? 0 : ((done - doneAtStart) * 1000) / milliseconds
}

/** One line: bar, done of total, images/s, time left, failures. */
export function progressLine(state: ProgressState, imagesPerSecond: number): string {
  const share = state.total === 0 ? 0 : state.done / state.total
  const filled = Math.round(share * barWidth)
  const parts = [
    `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ${formatCount(state.done)}/${formatCount(state.total)}${state.planned ? '' : '+'} images`,
    `${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`,
  ]
  if (state.planned && imagesPerSecond > 0 && state.done < state.total) {
    parts.push(`${formatSeconds((state.total - state.done) / imagesPerSecond)} left`)
  }
  if (state.cached !== undefined && state.cached > 0) parts.push(`${formatCount(state.cached)} from the cache`)
  if (state.failed > 0) parts.push(`${formatCount(state.failed)} failed`)
  return parts.join(' · ')
}

/** Draws a run's progress: one line redrawn in place on a terminal, a line now and then elsewhere. */
export class Progress {
  private readonly now: () => number
  private readonly lineInterval: number
  private started: number | undefined
  private doneAtStart = 0
  private lastLine = -Infinity
  private drawn = false

  constructor(private readonly options: ProgressOptions) {
    this.now = options.now ?? (() => performance.now())
    this.lineInterval = options.lineInterval ?? 5000
  }

  update(state: ProgressState): void {
    const time = this.now()
    if (this.started === undefined) {
      this.started = time
      this.doneAtStart = state.done
    }
    const { stream, delay = 0 } = this.options
    if (time - this.started < delay) return
    if (!stream.isTTY && time - this.lastLine < this.lineInterval && state.done < state.total) return
    this.lastLine = time
    const line = progressLine(state, rateOf(state.done, this.doneAtStart, time - this.started))
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`)
    this.drawn = true
  }

  /** Ends the line, so that what follows starts on its own. */
  finish(): void {
    if (this.drawn && this.options.stream.isTTY) this.options.stream.write('\n')
    this.drawn = false
  }
}
