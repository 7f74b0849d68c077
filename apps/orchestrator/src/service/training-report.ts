import { type RunCounts, type RunRecord, type RunSummary, summarizeRun, type TrainingState, type Waiting } from '@layermill/contracts'
import type { TrainingProgress } from '../train/environment.js'
import { headFigureName, type MetricsLine } from '../train/metrics-line.js'
import { Rate } from './progress-report.js'
import type { RunJobProgress } from './run-jobs.js'

/** Reports carry so many of the last epochs, so that one who listens misses none though reports may. */
const reportedEpochs = 50

/** One finished epoch as the API tells it. */
export function epochState({ epoch, step, learningRate, training, gradientNorm, validation, best }: MetricsLine): TrainingState {
  const { heads = {}, ...figures } = validation ?? {}
  const held: Record<string, number | undefined> = {}
  for (const [name, value] of Object.entries<number | undefined>(figures))
    held[`validation${name[0]!.toUpperCase()}${name.slice(1)}`] = value
  for (const [head, of] of Object.entries(heads)) {
    const own: Readonly<Record<string, number | undefined>> = { ...of }
    for (const [name, value] of Object.entries(own)) held[headFigureName(head, name)] = value
  }
  const metrics = { ...training, ...held, learningRate, gradientNorm, best: best ? 1 : 0 }
  return { phase: 'epoch', step, epoch, metrics: defined(metrics) }
}

const defined = (metrics: Readonly<Record<string, number | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

function stateOf(progress: TrainingProgress): TrainingState {
  if (progress.phase === 'write') return { phase: 'write', step: 0, epoch: 0, metrics: {} }
  if ('done' in progress) {
    const { phase, done, total, failed } = progress
    return { phase, step: done, steps: total, epoch: 0, metrics: { failed } }
  }
  const { phase, step, steps, epoch, epochs, loss, accuracy, images, imagesLeft } = progress
  return { phase, step, steps, epoch, epochs, metrics: defined({ loss, accuracy, images, imagesLeft }) }
}

export interface TrainingReportOptions {
  readonly record: RunRecord
  readonly id: string
  readonly send: (progress: RunJobProgress) => Promise<unknown>
  /** Least milliseconds between two reports. Default 1,000. */
  readonly interval?: number
}

/** Tells where a fine-tuning run stands, at most once an interval, and each of its epochs. */
export class TrainingReport {
  private readonly rate = new Rate()
  private counts: RunCounts
  private planned: boolean
  private latest: TrainingProgress | undefined
  private epochs: TrainingState[] = []
  private changed = false
  private waitsFor: Waiting | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: TrainingReportOptions) {
    this.counts = options.record.counts
    this.planned = options.record.planned
  }

  update(progress: TrainingProgress): void {
    if ('done' in progress)
      this.counts = { images: progress.total, done: progress.done - progress.failed, failed: progress.failed, parts: 0 }
    else this.planned = true
    if ('done' in progress) this.waitsFor = progress.waiting
    this.latest = progress
    this.change()
  }

  /** Updates the cause of the run's waiting. */
  waiting(waiting: Waiting | undefined): void {
    this.waitsFor = waiting
    this.change()
  }

  epoch(line: MetricsLine): void {
    this.epochs = [...this.epochs, epochState(line)].slice(-reportedEpochs)
    this.change()
  }

  /** Tells what has not been told yet, once and for all. */
  async end(): Promise<void> {
    this.stop()
    await this.flush()
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  private change(): void {
    this.changed = true
    this.timer ??= setInterval(() => void this.flush(), this.options.interval ?? 1000)
  }

  private async flush(): Promise<void> {
    if (!this.changed) return
    this.changed = false
    const latest = this.latest
    const training = latest === undefined ? undefined : stateOf(latest)
    const pace = latest === undefined ? {} : this.pace(latest)
    const progress = { counts: this.counts, partsDone: 0, ...pace }
    // For people: a report that is lost is not missed.
    await this.options.send({ summary: this.summary(), progress, training, epochs: this.epochs }).catch(() => undefined)
  }

  private pace(progress: TrainingProgress): { imagesPerSecond?: number; secondsLeft?: number } {
    if (!('imagesLeft' in progress)) return {}
    const imagesPerSecond = this.rate.update(progress.images)
    if (imagesPerSecond === undefined || imagesPerSecond === 0) return {}
    return { imagesPerSecond, secondsLeft: progress.imagesLeft / imagesPerSecond }
  }

  private summary(): RunSummary {
    const { record, id } = this.options
    return {
      ...summarizeRun(record),
      id,
      state: this.planned ? 'running' : 'planning',
      counts: this.counts,
      ...(this.waitsFor === undefined ? {} : { waiting: this.waitsFor }),
    }
  }
}
