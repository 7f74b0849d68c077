export { Analysis, AnalysisBody, AnalysisList } from './api/analyses.js'
export { AuditFinding, AuditKind, AuditVerdicts, RunAudit, Verdict, VerdictBody } from './api/audit.js'
export {
  Activations,
  ChannelDifferences,
  FailurePage,
  FeatureMap,
  ImagePage,
  LayerComparison,
  NeighbourList,
  PicturePlace,
  Projection,
  RunEvaluation,
  RunImage,
  RunParts,
  RunPredictions,
  TryResult,
} from './api/inspection.js'
export { pairNumberOf, pairNumbers, RunComparison } from './api/comparison.js'
export type { ModelDetail, ModelSummary } from './api/model-types.js'
export { LatestSchema, ModelDetailSchema, ModelList, ModelParams, PromoteBody, RollbackBody } from './api/models.js'
export { type RunAction, RunPlan } from './api/plan.js'
export { QueueJob, QueueJobPage, QueueJobParams, QueueJobQueryParams, type QueueJobState, QueueParams } from './api/queue-jobs.js'
export {
  describeRun,
  FleetState,
  Health,
  OpenRunBody,
  Problem,
  type QueueDepth,
  QueueList,
  Readiness,
  type ReadinessCheck,
  RunDetail,
  RunEvent,
  RunId,
  runOrders,
  RunPage,
  RunQuery,
  RunSummary,
  RunWords,
  summarizeRun,
  type TrainingState,
  type WorkerInfo,
  WorkerList,
} from './api/runs.js'
export { allows, type Caller, Scope, scopes } from './api/scopes.js'
export { Session } from './api/session.js'
export { sameWaiting, Waiting, waitingCodes } from './api/waiting.js'
export { whole } from './api/whole.js'
export { type AnalysisKind, analysisKinds } from './jobs/analysis-kinds.js'
export { compareMeasures } from './jobs/analysis-settings.js'
export {
  AnalysisJob,
  GradientJob,
  makePayload,
  PartJob,
  type PayloadKind,
  payloadLimit,
  type Payloads,
  queueNames,
  readPayload,
  RunJob,
} from './jobs/payloads.js'
export type { ComputedBy, PartResult } from './jobs/part-result.js'
export { mostPhaseWorkers, type PhaseName, phaseNames, PhaseSeconds, phasesOf, WorkerPhases } from './jobs/phases.js'
export { beatInterval, beatTimeout, readBeat, UnfitFor, WaitsFor, WorkerBeat } from './jobs/worker-beat.js'
export {
  auditFolder,
  auditPath,
  batchSizePath,
  calibrationPath,
  commitPath,
  comparisonPath,
  cpuPath,
  doubtsFolder,
  doubtsPath,
  errorsPath,
  type FeatureFormat,
  featurePath,
  indexPath,
  layerFolder,
  layerOfFolder,
  manifestPath,
  partName,
  partOfPath,
  predictionsPath,
  runPath,
  reportPath,
  successPath,
} from './layout/layout.js'
export { runStoreUrl } from './layout/run-place.js'
export { eventId, Notification, type Notify } from './notify/events.js'
export {
  Calibration,
  type CalibrationMethod,
  calibrationMethods,
  CalibrationReport,
  describeLabelled,
  FoundCalibration,
  PrecisionChoice,
  parseCalibration,
  serializeCalibration,
} from './records/calibration.js'
export { canonicalJson } from './records/canonical.js'
export { type JsonRecordOptions, parseJsonRecord, serializeJsonRecord } from './records/json-record.js'
export { InputNumbers, ResampleName, SpecPreparation } from './records/preparation.js'
export {
  LayerResult,
  LeftOutFiles,
  parseRunRecord,
  RunCounts,
  RunIdentity,
  RunRecord,
  serializeRunRecord,
  UpdateFound,
} from './records/run-record.js'
export { differences, differenceText, sameValue, settingText } from './records/differences.js'
export { type EndedState, hasEnded, type RunState, runStates } from './records/run-state.js'
export { parseTrainingPlan, trainingPlanPath, trainingRowsPath, TrainingPlan, validationRowsPath } from './records/training-plan.js'
export { Evaluation, HistoryEntry, Latest, ModelUse, parseRecord, Registered, VersionRecord } from './registry/records.js'
export {
  checkModelName,
  type ModelReference,
  parseModelReference,
  parseVersionUrl,
  requireRegistry,
  sameRegisteredModel,
  type VersionPlace,
  versionUrl,
} from './registry/reference.js'
export { nextTime } from './schedules/cron/cron-times.js'
export { isOpen, parseStored, ScheduleHistory, ScheduleRecord, type Tick, withTick } from './schedules/records.js'
export {
  checkDrift,
  type DriftCondition,
  lastTime,
  nextTimes,
  outPlaceholders,
  parseScheduleChange,
  parseScheduleSpec,
  ScheduleChange,
  scheduleJsonSchema,
  ScheduleName,
  ScheduleSpec,
  specOfTick,
} from './schedules/schedule.js'
export { describeSchedule, ScheduleDetail, ScheduleList, type ScheduleSummary, ScheduleTick, summarizeSchedule } from './schedules/views.js'
export type {
  AuditQuery,
  ImageQuery,
  InspectionService,
  PictureQuery,
  ProjectionQuery,
  TryQuery,
  TryService,
} from './services/inspection-service.js'
export type { AnalysisService } from './services/analysis-service.js'
export type { ManualChange, ModelService, Promotion } from './services/model-service.js'
export type { ScheduleService } from './services/schedule-service.js'
export type { FleetService, QueueJobQuery, RunEventOptions, RunListQuery, RunService, RunShelf } from './services/services.js'
export { flagBytes, flagCount, flagMilliseconds } from './specs/flag-numbers.js'
export { imageLimits, type ImageLimits } from './specs/image-limits.js'
export { needsFit, parseReduce, parseRule, reducedShape, type ReduceKind, type ReduceRule, reductionText } from './specs/reduce.js'
export { priorities, queuePriority, type RunPriority, turnOf, turnsOfPriority } from './specs/priority.js'
export { type FormatOptions, formatZodError } from './specs/spec-error.js'
export {
  type Augmentation,
  baseScales,
  byteCount,
  cpuPattern,
  expected,
  isFrozen,
  parseLoss,
  type LayerScales,
  maxErrorsAllowed,
  mostImageBytes,
  parseAugment,
  parseBase,
  parseBatchSize,
  parseCacheSize,
  parseHead,
  parseImageTimeout,
  parseLayers,
  parseMaxBytes,
  parseMaxErrors,
  parsePartSize,
  parseSchedule,
  parseSize,
  parseValidation,
  preparePattern,
  type SpecBase,
  type SpecSchedule,
  type SpecSize,
  splitList,
} from './specs/spec-text.js'
export {
  defaultLearningRate,
  ExtractSpec,
  FinetuneSpec,
  parseSpec,
  PredictSpec,
  type RunKind,
  RunSpec,
  type RunSpecInput,
  specFields,
  specJsonSchema,
} from './specs/spec.js'
export { OperatorWebhookUrl, WebhookUrl, webhookUrls } from './specs/webhook-url.js'
