/** A metric of the orchestrator. Dashboards, alerts and autoscaling refer to these names, so they do not change. */
export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds, for histograms. */
  readonly buckets?: readonly number[]
}

/** Every metric of the orchestrator, besides prom-client's default ones (process_*, nodejs_*). */
export const orchestratorMetrics = {
  layermill_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time to answer HTTP requests, without event streams',
    labels: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  layermill_http_auth_failures_total: {
    type: 'counter',
    help: 'Requests refused for want of a valid token, by reason',
    labels: ['reason'],
  },
  layermill_http_event_streams: { type: 'gauge', help: 'Clients listening to events of runs', labels: [] },
  layermill_runs: { type: 'gauge', help: 'Runs by state', labels: ['state'] },
  layermill_running_images: {
    type: 'gauge',
    help: 'Images of the runs that are being worked on, by result (done, failed, pending)',
    labels: ['result'],
  },
  layermill_queue_jobs: {
    type: 'gauge',
    help: 'Jobs by queue and state (waiting, prioritized, delayed, due, active, failed)',
    labels: ['queue', 'state'],
  },
  layermill_queue_backlog_jobs: {
    type: 'gauge',
    help: 'Jobs a worker could do now or is doing: waiting + prioritized + due + active',
    labels: ['queue'],
  },
  layermill_workers: { type: 'gauge', help: 'Workers heard of lately, by device and state', labels: ['device', 'state'] },
  layermill_workers_images_per_second: { type: 'gauge', help: 'Images per second of all workers on one device', labels: ['device'] },
  layermill_collect_failures_total: { type: 'counter', help: 'Scrapes that could not ask runs, queues or workers', labels: ['source'] },
  layermill_build_info: { type: 'gauge', help: 'Always 1; the labels say what is running', labels: ['version', 'node'] },
} as const satisfies Record<string, MetricEntry>

export type OrchestratorMetric = keyof typeof orchestratorMetrics
