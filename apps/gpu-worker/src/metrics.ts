import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { workerMetrics } from './metric-table.js'

export interface WorkerMetricsOptions {
  version: string
  /** Device and engine in use. */
  device: string
  engine: string
  /** Default true: process_* and nodejs_*. */
  defaults?: boolean
}

const optionsOf = (name: keyof typeof workerMetrics, registry: Registry) => {
  const { help, labels } = workerMetrics[name]
  return { name, help, labelNames: [...labels], registers: [registry] }
}

/** A worker's metrics; one object per process. */
export class WorkerMetrics {
  readonly registry = new Registry()
  private readonly images = new Counter(optionsOf('layermill_worker_images_total', this.registry))
  private readonly parts = new Counter(optionsOf('layermill_worker_parts_total', this.registry))
  private readonly durations = new Histogram({
    ...optionsOf('layermill_worker_part_duration_seconds', this.registry),
    buckets: [...workerMetrics.layermill_worker_part_duration_seconds.buckets],
  })
  private readonly active = new Gauge(optionsOf('layermill_worker_jobs_active', this.registry))
  private readonly draining = new Gauge(optionsOf('layermill_worker_draining', this.registry))

  private readonly unfit = new Gauge(optionsOf('layermill_worker_unfit_runs', this.registry))
  private readonly handedBackTotal = new Counter(optionsOf('layermill_worker_jobs_handed_back_total', this.registry))

  constructor({ version, device, engine, defaults = true }: WorkerMetricsOptions) {
    const info = new Gauge(optionsOf('layermill_worker_info', this.registry))
    info.set({ version, device, engine, node: process.versions.node }, 1)
    if (defaults) collectDefaultMetrics({ register: this.registry })
  }

  /**
   * A part is taken. Returns what to call once when it is committed, or has failed: with the images that have results and those left out.
   */
  startPart(): (outcome: { done: number; failed: number } | 'failed') => void {
    this.active.inc()
    const stop = this.durations.startTimer()
    return outcome => {
      this.active.dec()
      this.parts.inc({ result: outcome === 'failed' ? 'failed' : 'done' })
      if (outcome === 'failed') return
      stop()
      this.images.inc({ result: 'done' }, outcome.done)
      this.images.inc({ result: 'failed' }, outcome.failed)
    }
  }

  /** A job went back to the queue for another worker. */
  handedBack(code: string): void {
    this.handedBackTotal.inc({ code })
  }

  /** The runs that the worker is unfit for, by their reasons' codes. */
  setUnfit(codes: readonly string[]): void {
    this.unfit.reset()
    for (const code of codes) this.unfit.inc({ code })
  }

  setDraining(draining: boolean): void {
    this.draining.set(draining ? 1 : 0)
  }
}
