/** What goes over the wire: the shapes of requests and answers, for clients written in TypeScript. */
export * from './schemas.js'
export * from './schemas/inspection.js'
export type { QueueJob, QueueJobPage, QueueJobState } from './schemas/queue-jobs.js'
export { RunPlan } from './schemas/plan.js'
export * from './schemas/session.js'
export type { ScheduleDetail, ScheduleSummary, ScheduleTick } from '../schedules/schemas.js'
export type { ModelDetail, ModelSummary } from './schemas/model-types.js'
export { LatestSchema, ModelDetailSchema, ModelList } from './schemas/models.js'
