export type { BlobStore, BrokerKind, ServerOptions } from './backend.js'
export {
  addJobs, type Broker, type BrokerOptions, type CloseReport, type JobEvents, type JobProcessor, type JobQueue, type JobsOptions,
  type JobState, type JobWorkerOptions, openBroker, type QueueCounts, type QueuedJob,
} from './broker.js'
export {
  Calibration, type CalibrationMethod, calibrationMethods, CalibrationReport, parseCalibration, serializeCalibration,
} from './calibration.js'
export { canonicalJson } from './canonical.js'
export { type Exchange, type ExchangeOptions, openExchange, type PutOptions } from './exchange.js'
export { exchangePrefix, parameterKeys, resultKeys } from './gradient-keys.js'
export { type ImageLimits, imageLimits } from './image-limits.js'
export { handBack, handBackLater, park, parseFailedReason, toJobError } from './job-errors.js'
export { type JsonRecordOptions, parseJsonRecord, serializeJsonRecord } from './json-record.js'
export { liveWorkers } from './live-workers.js'
export type { JobWorker } from './open-broker.js'
export {
  GradientJob, makePayload, PartJob, type PayloadKind, payloadLimit, type Payloads, queueNames, readPayload, RunJob,
} from './payloads.js'
export { priorities, queuePriority, type RunPriority, turnOf, turnsOfPriority } from './priority.js'
export {
  InputNumbers, LayerResult, LeftOutFiles, parseRunRecord, RunCounts, RunIdentity, RunRecord, type RunState, runStates,
  serializeRunRecord,
} from './run-record.js'
export {
  lastTime, nextTimes, outPlaceholders, parseScheduleChange, parseScheduleSpec, ScheduleChange, scheduleJsonSchema, ScheduleName,
  ScheduleSpec, specOfTick,
} from './schedule.js'
export { type FormatOptions, formatZodError } from './spec-error.js'
export {
  type Augmentation, baseScales, byteCount, cpuPattern, expected, isFrozen, type LayerScales, maxErrorsAllowed, mostImageBytes,
  parseAugment, parseBase, parseBatchSize, parseCacheSize, parseHead, parseImageTimeout, parseLayers, parseMaxBytes, parseMaxErrors,
  parsePartSize, parseSchedule, parseSize, parseValidation, preparePattern, type SpecBase, type SpecSchedule, type SpecSize, splitList,
} from './spec-text.js'
export {
  defaultLearningRate, ExtractSpec, FinetuneSpec, parseSpec, PredictSpec, type RunKind, RunSpec, type RunSpecInput, specFields,
  specJsonSchema,
} from './spec.js'
export { decodeTensors, encodeTensors, type ExchangeType } from './tensor-codec.js'
export { parseTrainingPlan, TRAINING_PLAN_PATH, TRAINING_ROWS_PATH, TrainingPlan, VALIDATION_ROWS_PATH } from './training-plan.js'
export { sameWaiting, Waiting, waitingCodes } from './waiting.js'
export { OperatorWebhookUrl, WebhookUrl, webhookUrls } from './webhook-url.js'
export { beatInterval, beatTimeout, readBeat, UnfitFor, WaitsFor, WorkerBeat } from './worker-beat.js'
