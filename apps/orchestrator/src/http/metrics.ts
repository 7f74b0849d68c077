import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { answerWithin } from './deadline.js'
import { orchestratorMetrics, type OrchestratorMetric } from './metric-table.js'
import type { FleetService, RunService } from '@layermill/contracts'

/** Longest wait for one answer of the queue while metrics are collected. */
const collectDeadline = 5000

/** Runs under way whose images are counted; nobody has more at once. */
const mostRuns = 200

type NamesOf<Type> = {
  [Name in OrchestratorMetric]: (typeof orchestratorMetrics)[Name]['type'] extends Type ? Name : never
}[OrchestratorMetric]

/** The orchestrator's metrics; one object per process (or per server, in tests). */
export class Metrics {
  readonly registry = new Registry()
  private readonly counters = new Map<string, Counter>()
  private readonly gauges = new Map<string, Gauge>()
  private readonly histograms = new Map<string, Histogram>()

  /** `version` is layermill's own. `defaults: false` leaves out process_* and nodejs_*. */
  constructor({ version, defaults = true }: { version: string; defaults?: boolean }) {
    const registers = [this.registry]
    for (const [name, { type, help, labels, ...rest }] of Object.entries(orchestratorMetrics)) {
      const options = { name, help, labelNames: [...labels], registers }
      if (type === 'counter') this.counters.set(name, new Counter(options))
      else if (type === 'gauge') this.gauges.set(name, new Gauge(options))
      else this.histograms.set(name, new Histogram({ ...options, buckets: 'buckets' in rest ? [...rest.buckets] : [] }))
    }
    if (defaults) collectDefaultMetrics({ register: this.registry })
    this.gauge('layermill_build_info').set({ version, node: process.versions.node }, 1)
  }

  counter(name: NamesOf<'counter'>): Counter {
    return get(this.counters, name)
  }

  gauge(name: NamesOf<'gauge'>): Gauge {
    return get(this.gauges, name)
  }

  histogram(name: NamesOf<'histogram'>): Histogram {
    return get(this.histograms, name)
  }

  /** Everything in Prometheus's text format. What cannot be asked in time is left out, never shown as it once was. */
  async collect(runs: RunService, fleet: FleetService): Promise<string> {
    await Promise.all([
      this.ask(
        'runs',
        ['layermill_runs'],
        () => runs.countByState(),
        states => {
          for (const [state, count] of Object.entries(states)) this.gauge('layermill_runs').set({ state }, count)
        },
      ),
      this.ask(
        'progress',
        ['layermill_running_images'],
        () => runs.list({ state: 'running', limit: mostRuns }),
        page => {
          const images = this.gauge('layermill_running_images')
          for (const { counts } of page.runs) {
            images.inc({ result: 'done' }, counts.done)
            images.inc({ result: 'failed' }, counts.failed)
            images.inc({ result: 'pending' }, Math.max(0, counts.images - counts.done - counts.failed))
          }
        },
      ),
      this.ask(
        'queues',
        ['layermill_queue_jobs', 'layermill_queue_backlog_jobs'],
        () => fleet.queues(),
        queues => {
          for (const { queue, ...states } of queues) {
            for (const [state, count] of Object.entries(states)) this.gauge('layermill_queue_jobs').set({ queue, state }, count)
            const backlog = states.waiting + states.prioritized + states.due + states.active
            this.gauge('layermill_queue_backlog_jobs').set({ queue }, backlog)
          }
        },
      ),
      this.ask(
        'workers',
        ['layermill_workers', 'layermill_workers_images_per_second'],
        () => fleet.workers(),
        workers => {
          for (const { device, state, imagesPerSecond } of workers) {
            this.gauge('layermill_workers').inc({ device, state })
            this.gauge('layermill_workers_images_per_second').inc({ device }, imagesPerSecond)
          }
        },
      ),
    ])
    return this.registry.metrics()
  }

  private async ask<T>(
    source: string,
    names: readonly NamesOf<'gauge'>[],
    question: () => Promise<T>,
    use: (answer: T) => void,
  ): Promise<void> {
    let answer: T | undefined
    try {
      answer = await answerWithin(question(), collectDeadline, source)
    } catch {
      this.counter('layermill_collect_failures_total').inc({ source })
    }
    // Set in one go after the answer, so that two scrapes at once do not add up.
    for (const name of names) this.gauge(name).reset()
    if (answer !== undefined) use(answer)
  }
}

function get<T>(table: ReadonlyMap<string, T>, name: string): T {
  const metric = table.get(name)
  if (metric === undefined) throw new Error(`no metric ${name}`)
  return metric
}
