/** Parts of a fleet's worker besides its computing: heartbeats, health and metrics. */
export * from './health.js'
export * from './metric-table.js'
export * from './metrics.js'
export * from './worker-process.js'
