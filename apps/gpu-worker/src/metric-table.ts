interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds, for histograms. */
  readonly buckets?: readonly number[]
}

/** Every metric of a worker, besides prom-client's default ones (process_*, nodejs_*). Dashboards refer to these names. */
export const workerMetrics = {
  layermill_worker_images_total: { type: 'counter', help: 'Images of finished parts, by result (done, failed)', labels: ['result'] },
  layermill_worker_parts_total: { type: 'counter', help: 'Parts by result (done, failed)', labels: ['result'] },
  layermill_worker_part_duration_seconds: {
    type: 'histogram',
    help: 'Time of a part from taking its job to its commit',
    labels: [],
    buckets: [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000],
  },
  layermill_worker_jobs_active: { type: 'gauge', help: 'Jobs under way', labels: [] },
  layermill_worker_draining: { type: 'gauge', help: '1 while the worker finishes what it has and takes nothing new', labels: [] },
  layermill_worker_unfit_runs: {
    type: 'gauge',
    help: 'Runs whose parts this worker hands to others for now, by the code of the reason',
    labels: ['code'],
  },
  layermill_worker_jobs_handed_back_total: {
    type: 'counter',
    help: 'Jobs handed back for another worker, by the code of the reason',
    labels: ['code'],
  },
  layermill_worker_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what this worker is',
    labels: ['version', 'device', 'engine', 'node'],
  },
} as const satisfies Record<string, MetricEntry>

export type WorkerMetricName = keyof typeof workerMetrics
