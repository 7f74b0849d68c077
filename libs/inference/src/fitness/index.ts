export { WorkerFitness, type FitnessEvent, type FitnessOptions } from './fitness.js'
export { type FailedJob, type Guard, LeftToOthers } from './guarded.js'
export { OtherWorkers } from './others.js'
