import { readPayload, type WorkerBeat } from '@layermill/contracts'
import type { WorkerMetrics } from './metrics.js'
import type { WorkerProcessor } from '@layermill/inference'

/** Images a second are over the last so many milliseconds. */
const rateWindow = 30_000

type JobUnderWay = WorkerBeat['jobs'][number]

/** Activity of a worker, followed part by part. */
export class WorkerActivity {
  private readonly underWay = new Set<JobUnderWay>()
  private readonly finished: { time: number; images: number }[] = []
  private readonly started: number

  constructor(
    private readonly metrics: WorkerMetrics,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.started = now()
  }

  /** The processor, watched. */
  watch(processor: WorkerProcessor): WorkerProcessor {
    return {
      probe: async data => processor.probe?.(data),
      process: async (data, report, signal) => {
        const { run, part } = readPayload('part', data)
        const job: JobUnderWay = { run, part, done: 0, images: 0 }
        this.underWay.add(job)
        const end = this.metrics.startPart()
        let counted = 0
        try {
          const result = await processor.process(
            data,
            state => {
              job.done = state.images + state.failed
              job.images = state.total
              this.count(job.done - counted)
              counted = job.done
              report(state)
            },
            signal,
          )
          this.count(Math.max(0, result.images + result.failed - counted))
          end({ done: result.images, failed: result.failed })
          return result
        } catch (error) {
          end('failed')
          throw error
        } finally {
          this.underWay.delete(job)
        }
      },
    }
  }

  get jobs(): JobUnderWay[] {
    return [...this.underWay].map(job => ({ ...job }))
  }

  get imagesPerSecond(): number {
    const time = this.now()
    while (this.finished.length > 0 && time - this.finished[0]!.time > rateWindow) this.finished.shift()
    const images = this.finished.reduce((sum, entry) => sum + entry.images, 0)
    return (images * 1000) / Math.max(1000, Math.min(rateWindow, time - this.started))
  }

  private count(images: number): void {
    const time = this.now()
    const last = this.finished.at(-1)
    // One entry a second is enough.
    if (last !== undefined && time - last.time < 1000) last.images += images
    else this.finished.push({ time, images })
  }
}
