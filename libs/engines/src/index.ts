export type { Batching, Device, Engine, EngineName, EngineOptions, Extractor, ExtractorOptions } from './engine.js'
export type { Explainer, ExplainerOptions, Explanation } from './explainer.js'
export { openEngine } from './open.js'
export { softmax } from './onnx/file/rows.js'
export { hasInt8Instructions } from './int8-instructions.js'
export { cpuFits, numericClass } from './numeric/numeric-class.js'
export { cpuKind } from './numeric/instructions.js'
export type { Range } from './onnx/int8/parameters.js'
export { selfCheck, type SelfCheck, selfCheckTolerance } from './self-check/self-check.js'
export { selfCheckFile } from './self-check/self-check-file.js'
export type {
  BatchNormStatistics,
  Gradients,
  LossKind,
  LossSlice,
  MaskInfo,
  OneLoss,
  Scores,
  Trainer,
  TrainerOptions,
  TrainingBatch,
} from './trainer.js'
export { lossSum } from './onnx/trainer-loss.js'
export { exportOnnx, type ExportedOnnx } from './onnx/export.js'
export { fileTensors } from './onnx/file/head-graph.js'
export { type Trainability, trainabilityOf } from './onnx/file/step-graph.js'
export { exportGraph, mostGraphBytes } from './onnx/file/export-graph.js'
export { requireFloat16 } from './float16-devices.js'
export { type FastProduct, openProduct } from './onnx/product.js'
export { type ComputedValues, type ComputeOptions, ValueComputer } from './onnx/file/compute.js'
export type { RawTensor } from './onnx/file/protocol.js'
