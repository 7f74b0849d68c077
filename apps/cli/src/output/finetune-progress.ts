import type { MetricsLine, TrainingProgress } from '@layermill/orchestrator/train'
import { formatCount, formatSeconds } from './format.js'
import { rateOf, steadyMs } from './progress.js'

export interface FinetuneProgressOptions {
  readonly stream: NodeJS.WriteStream
  /** Milliseconds since any epoch. */
  readonly now?: () => number
  /** Least time between two lines where the stream is no terminal, in milliseconds. Default 5,000. */
  readonly lineInterval?: number
}

/** Milliseconds between two drawings of a line in place: a head's steps take a few each. */
const drawInterval = 100

/** Widths of the bars, epochs and steps, from the widest line to the narrowest. */
const barWidths = [
  [10, 10],
  [8, 8],
  [6, 6],
  [4, 4],
  [0, 6],
  [0, 0],
] as const

function bar(share: number, width: number): string {
  if (width === 0) return ''
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return ` ${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

/** Share of images that are right, or how far numbers are off, as far as it is known. */
export function sharesOf({ accuracy, meanAveragePrecision, mae, r2, heads }: Partial<NonNullable<MetricsLine['validation']>>): string {
  if (heads !== undefined)
    return Object.entries(heads)
      .map(([name, figures]) => `, ${name}${sharesOf(figures).slice(1)}`)
      .join('')
  if (meanAveragePrecision !== undefined) return `, mAP ${percent(meanAveragePrecision)}`
  if (mae !== undefined) return `, MAE ${mae.toPrecision(4)}, R2 ${(r2 ?? 0).toFixed(3)}`
  return accuracy === undefined ? '' : `, ${percent(accuracy)}`
}

const shareOf = (done: number, total: number): number => (total === 0 ? 0 : done / total)

/** How fast the work under way goes. */
export interface WorkSpeed {
  /** 0 where it is not known yet. */
  readonly imagesPerSecond: number
  /** Whether that is steady enough for a time left. */
  readonly isSteady: boolean
}

/** Images per second and the time that so many more take; nothing where the rate is not known yet. */
function speedTexts({ imagesPerSecond, isSteady }: WorkSpeed, imagesLeft: number): { rate: string[]; left: string[] } {
  if (imagesPerSecond <= 0) return { rate: [], left: [] }
  const rate = [`${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`]
  return { rate, left: isSteady && imagesLeft > 0 ? [`${formatSeconds(imagesLeft / imagesPerSecond)} left`] : [] }
}

/** Parts of a line, each list with less than the one before: a narrow terminal has room for what matters most. */
function stateLines(state: TrainingProgress, speed: WorkSpeed, [epochBar, stepBar]: readonly [number, number]): string[][] {
  if (state.phase === 'write') return [['writing the model']]
  if ('done' in state) {
    const { done, total, failed } = state
    const what = state.phase === 'check' ? 'checking images' : 'features of the frozen base'
    const count = `${what}${bar(shareOf(done, total), stepBar)} ${formatCount(done)}/${formatCount(total)}`
    const { rate, left } = speedTexts(speed, total - done)
    const missing = failed > 0 ? [`${formatCount(failed)} failed`] : []
    return [[count, ...rate, ...left, ...missing], [count, ...left, ...missing], [count]]
  }
  const { phase, epoch, epochs, step, steps, loss, accuracy, imagesLeft } = state
  const inEpoch = phase === 'train' ? shareOf(step, steps) : 1
  const whole = `epoch ${formatCount(epoch)}/${formatCount(epochs)}${bar(shareOf(epoch - 1 + inEpoch, epochs), epochBar)}`
  const part = `${phase === 'train' ? 'step' : 'held out'} ${formatCount(step)}/${formatCount(steps)}${bar(shareOf(step, steps), stepBar)}`
  const { rate, left } = speedTexts(speed, imagesLeft)
  const figures = `loss ${loss.toFixed(4)}${sharesOf({ accuracy })}`
  // Scoring has another speed than training.
  const lines = [
    [`${whole} ${part}`, figures, ...rate, ...left],
    [`${whole} ${part}`, figures, ...left],
    [whole, figures, ...left],
    [whole, figures],
    [whole],
  ]
  return phase === 'train' ? lines : lines.slice(1)
}

/**
 * One line of where a run stands: bars of all epochs and of this one's steps, loss, accuracy, speed, time left. The bars shrink until the line
 * is shorter than `columns`, then what matters least is left out.
 */
export function finetuneLine(state: TrainingProgress, speed: WorkSpeed, columns = 100): string {
  const withBars = barWidths.map(widths => stateLines(state, speed, widths)[0]!)
  const lines = [...withBars, ...stateLines(state, speed, barWidths.at(-1)!)].map(parts => parts.join(' · '))
  return lines.find(({ length }) => length < columns) ?? lines.at(-1)!.slice(0, Math.max(0, columns - 1))
}

/** One epoch's result. */
export function epochLine({ epoch, training, validation, best }: MetricsLine): string {
  const held =
    validation === undefined ? '' : ` · held out: loss ${validation.loss.toFixed(4)}${sharesOf(validation)}${best ? ' (best)' : ''}`
  return `epoch ${epoch}: loss ${training.loss.toFixed(4)}${sharesOf(training)}${held}`
}

interface WorkStart {
  readonly work: string
  readonly time: number
  readonly images: number
}

/** Draws progress: one line redrawn in place on a terminal, a line now and then elsewhere, and a line that stays for each epoch. */
export class FinetuneProgress {
  private readonly now: () => number
  private readonly lineInterval: number
  /** Start of the kind of work under way: its speed is counted from there. */
  private since: WorkStart | undefined
  /** Its first images: what came before is the start's time. */
  private warm: WorkStart | undefined
  private lastLine = -Infinity
  /** Phase that the last line was of, unless it told its end. */
  private unfinished: TrainingProgress['phase'] | undefined
  private drawn = false

  constructor(private readonly options: FinetuneProgressOptions) {
    this.now = options.now ?? (() => performance.now())
    this.lineInterval = options.lineInterval ?? 5000
  }

  update(state: TrainingProgress): void {
    const time = this.now()
    const { stream } = this.options
    const rate = this.rate(state, time)
    const isLast = state.phase === 'write' || ('done' in state ? state.done === state.total : state.step === state.steps)
    // A line that says less than all would look as if the work had stopped there.
    const ends = isLast && (stream.isTTY || ('done' in state && state.phase === this.unfinished))
    if (time - this.lastLine < (stream.isTTY ? drawInterval : this.lineInterval) && !ends) return
    this.lastLine = time
    this.unfinished = isLast ? undefined : state.phase
    this.write(finetuneLine(state, rate, stream.isTTY ? stream.columns || 80 : undefined))
  }

  epoch(line: MetricsLine): void {
    this.clear()
    this.options.stream.write(`${epochLine(line)}\n`)
  }

  /** Takes the line away, so that another text may stand there. */
  clear(): void {
    const { stream } = this.options
    if (stream.isTTY && this.drawn) stream.write('\r\u001b[2K')
    this.drawn = false
  }

  /** Ends the line, so that what follows starts on its own. */
  finish(): void {
    if (this.drawn && this.options.stream.isTTY) this.options.stream.write('\n')
    this.drawn = false
  }

  private rate(state: TrainingProgress, time: number): WorkSpeed {
    if (state.phase === 'write') return { imagesPerSecond: 0, isSteady: false }
    const images = 'done' in state ? state.done : state.images
    const work = 'done' in state ? `${state.phase} ${state.total}` : 'train'
    // Work of an earlier term does not count, nor does the first step, which warms up.
    if (this.since?.work !== work || images < this.since.images) this.since = { work, time, images }
    if (this.warm?.work !== work || images < this.warm.images) this.warm = undefined
    if (this.warm === undefined && images > this.since.images) this.warm = { work, time, images }
    const { warm } = this
    if (warm !== undefined && time - warm.time >= steadyMs && images > warm.images)
      return { imagesPerSecond: rateOf(images - warm.images, time - warm.time), isSteady: true }
    return { imagesPerSecond: rateOf(images - this.since.images, time - this.since.time), isSteady: false }
  }

  private write(line: string): void {
    const { stream } = this.options
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`)
    this.drawn = true
  }
}
