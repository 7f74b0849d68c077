import type { MetricsLine, TrainingProgress } from '@layermill/orchestrator/train'
import { formatCount, formatSeconds } from '../output/format.js'

export interface FinetuneProgressOptions {
  readonly stream: NodeJS.WriteStream
  /** Milliseconds since any epoch. */
  readonly now?: () => number
  /** Least time between two lines where the stream is no terminal, in milliseconds. Default 5,000. */
  readonly lineInterval?: number
}

const barWidth = 20

function bar(done: number, total: number): string {
  const filled = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * barWidth)
  return `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

/** One line of where a run stands; `imagesPerSecond` is of training, 0 where it is not known yet. */
export function finetuneLine(state: TrainingProgress, imagesPerSecond: number): string {
  if (state.phase === 'write') return 'writing the model'
  if ('done' in state) {
    const what = state.phase === 'check' ? 'checking images' : 'features of the frozen base'
    const failed = state.failed > 0 ? ` · ${formatCount(state.failed)} failed` : ''
    return `${what} ${bar(state.done, state.total)} ${formatCount(state.done)}/${formatCount(state.total)}${failed}`
  }
  const { epoch, epochs, step, steps, loss, accuracy, imagesLeft } = state
  const where = `epoch ${epoch}/${epochs} ${bar(step, steps)} ${state.phase === 'train' ? 'step' : 'held out'} ${formatCount(step)}/${formatCount(steps)}`
  const parts = [where, `loss ${loss.toFixed(4)}`, percent(accuracy)]
  if (imagesPerSecond > 0) {
    parts.push(`${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`)
    if (imagesLeft > 0) parts.push(`${formatSeconds(imagesLeft / imagesPerSecond)} left`)
  }
  return parts.join(' · ')
}

/** One epoch's result. */
export function epochLine({ epoch, training, validation, best }: MetricsLine): string {
  const held =
    validation === undefined
      ? ''
      : ` · held out: loss ${validation.loss.toFixed(4)}, ${percent(validation.accuracy)}${best ? ' (best)' : ''}`
  return `epoch ${epoch}: loss ${training.loss.toFixed(4)}, ${percent(training.accuracy)}${held}`
}

/** Draws progress: one line redrawn in place on a terminal, a line now and then elsewhere, and a line that stays for each epoch. */
export class FinetuneProgress {
  private readonly now: () => number
  private readonly lineInterval: number
  private trainingSince: { time: number; images: number } | undefined
  private lastLine = -Infinity
  private drawn = false

  constructor(private readonly options: FinetuneProgressOptions) {
    this.now = options.now ?? (() => performance.now())
    this.lineInterval = options.lineInterval ?? 5000
  }

  update(state: TrainingProgress): void {
    const time = this.now()
    const { stream } = this.options
    const rate = this.rate(state, time)
    if (!stream.isTTY && time - this.lastLine < this.lineInterval) return
    this.lastLine = time
    this.write(finetuneLine(state, rate))
  }

  epoch(line: MetricsLine): void {
    const { stream } = this.options
    if (stream.isTTY && this.drawn) stream.write('\r\u001b[2K')
    stream.write(`${epochLine(line)}\n`)
    this.drawn = false
  }

  /** Ends the line, so that what follows starts on its own. */
  finish(): void {
    if (this.drawn && this.options.stream.isTTY) this.options.stream.write('\n')
    this.drawn = false
  }

  private rate(state: TrainingProgress, time: number): number {
    if (state.phase !== 'train' && state.phase !== 'validate') return 0
    // The first step warms up.
    this.trainingSince ??= { time, images: state.images }
    const { time: since, images } = this.trainingSince
    return time > since ? ((state.images - images) * 1000) / (time - since) : 0
  }

  private write(line: string): void {
    const { stream } = this.options
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`)
    this.drawn = true
  }
}
