export type { BlobStore, BrokerKind, ServerOptions } from './backend.js'
export {
  addJobs,
  type Broker,
  type BrokerOptions,
  type CloseReport,
  type JobEvents,
  type JobProcessor,
  type JobQueue,
  type JobsOptions,
  type JobState,
  type JobWorkerOptions,
  type QueueCounts,
  type QueuedJob,
} from './broker.js'
export { openBroker } from './connect.js'
export { type Exchange, type ExchangeOptions, openExchange, type PutOptions } from './exchange.js'
export { exchangePrefix, parameterKeys, resultKeys } from './gradient-keys.js'
export { type FailedReason, handBack, handBackLater, park, parseFailedReason, toJobError } from './job-errors.js'
export type { JobWorker } from './job-worker.js'
export { liveWorkers } from './live-workers.js'
export { decodeTensors, encodeTensors, type ExchangeType } from './tensor-codec.js'
