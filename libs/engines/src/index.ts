export type { Device, Engine, EngineName, EngineOptions, Extractor, ExtractorOptions } from './engine.js'
export { openEngine } from './open.js'
export { selfCheck, type SelfCheck, selfCheckTolerance } from './self-check/self-check.js'
export type { BatchNormStatistics, Gradients, MaskInfo, Scores, Trainer, TrainerOptions, TrainingBatch } from './trainer.js'
