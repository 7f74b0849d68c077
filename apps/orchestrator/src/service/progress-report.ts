import { type RunRecord, type RunSummary, summarizeRun } from '@layermill/contracts'
import type { RunProgress } from '../run/inference-steps.js'
import type { RunJobProgress } from './run-jobs.js'

/** Rates are over the last so many milliseconds. */
const rateWindow = 30_000

/** How fast images are done, over the last half minute. */
export class Rate {
  private readonly samples: { time: number; done: number }[] = []

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Notes how many are done by now and returns images a second; undefined until there is something to compare with. */
  update(done: number): number | undefined {
    const time = this.now()
    this.samples.push({ time, done })
    while (this.samples.length > 2 && time - this.samples[1]!.time >= rateWindow) this.samples.shift()
    const first = this.samples[0]!
    return time > first.time ? Math.max(0, ((done - first.done) * 1000) / (time - first.time)) : undefined
  }
}

/** A run's summary while it is under way. */
function liveSummary(record: RunRecord, id: string, progress: RunProgress): RunSummary {
  const counts = {
    images: progress.total,
    done: progress.done - progress.failed,
    failed: progress.failed,
    parts: progress.parts,
    ...(progress.cached === undefined ? {} : { cached: progress.cached }),
    ...(progress.kept === undefined ? {} : { computed: Math.max(0, progress.done - progress.kept) }),
  }
  const waiting = progress.waiting === undefined ? {} : { waiting: progress.waiting }
  return { ...summarizeRun(record), id, state: progress.planned ? 'running' : 'planning', counts, ...waiting }
}

/** Tells the newest progress at most once an interval, and none after `stop`. */
export class ProgressReport {
  private readonly rate = new Rate()
  private latest: RunProgress | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly record: RunRecord,
    private readonly id: string,
    private readonly send: (progress: RunJobProgress) => void,
    private readonly interval = 1000,
  ) {}

  update(progress: RunProgress): void {
    this.latest = progress
    this.timer ??= setInterval(() => this.flush(), this.interval)
  }

  stop(): void {
    clearInterval(this.timer)
    this.latest = undefined
  }

  private flush(): void {
    if (this.latest === undefined) return
    const { done, total, partsDone, phases, kept = 0 } = this.latest
    const summary = liveSummary(this.record, this.id, this.latest)
    this.latest = undefined
    const imagesPerSecond = this.rate.update(done - kept)
    const secondsLeft =
      imagesPerSecond !== undefined && imagesPerSecond > 0 && summary.state === 'running' ? (total - done) / imagesPerSecond : undefined
    this.send({
      summary,
      progress: {
        counts: summary.counts,
        partsDone,
        imagesPerSecond,
        secondsLeft,
        ...(phases === undefined ? {} : { phases: [...phases] }),
      },
    })
  }
}
