export { decodeFit, encodeFit, fitsHash, type ReductionFit, reductionPath } from './reduce/fit-file.js'
export { fitReductions, type FittedReductions, reduceSampleOf } from './reduce/fit-reductions.js'
export { layersToFit, samplePasses, sampleRowBytes, scratchBytes } from './reduce/passes.js'
export { loadAnyModel, namedModel, type NamedModel, outlineModel, specNetwork } from './any-model.js'
export { classifyImage, type ClassifyOptions } from './classify-image.js'
export { checkEngine } from './check-engine.js'
export { findOnnxFile, namesOnnxFile } from './onnx/files.js'
export { loadOnnx, loadOnnxFile, onnxPreparation, requirePreparation } from './onnx/load.js'
export { type CalibrateOptions, calibrateRun } from './calibrate/calibrate.js'
export { calibrator, precisionChooser } from './calibrate/calibrator.js'
export type { ChosenPrecision } from './calibrate/choose-precision.js'
export { calibrationImages } from './calibrate/sample.js'
export { type FitnessEvent, type FitnessOptions, WorkerFitness } from './fitness/fitness.js'
export { type FailedJob, type Guard, LeftToOthers } from './fitness/guarded.js'
export { OtherWorkers } from './fitness/others.js'
export { openFleetQueue, ownTrouble, storeTrouble } from './fleet-queue/fleet-queue.js'
export { classesCalled, classFinder, classLabels, imagenetLabels } from './labels.js'
export { type LoadedModel, ModelProvider, type ModelProviderOptions, type SessionPrecision, type SessionRanges } from './model-provider.js'
export { PartProcessor, type PartProcessorOptions } from './part-processor.js'
export { type PartWorkerOptions, startPartWorker, throttled, type WorkerProcessor } from './part-worker.js'
export type { ReportProgress } from './part/compute-part.js'
export {
  type Activation,
  type BatchRunner,
  type ComputedImage,
  type ComputedRow,
  computeRows,
  type CopiedRow,
  type FailedImage,
  type FinishedRow,
  type PreparedImage,
  type PreparedRow,
} from './part/compute-rows.js'
export type { AmongWorkers } from './part/doubts.js'
export { answerOf, type ClassScore, type HeadAnswer, type ImageAnswer, type NumberValue, topClasses } from './predict.js'
export { type ProbeOptions, probeRun } from './probe.js'
export { createProvider, type ProviderOptions, readAhead } from './provider.js'
export { computeRunFeatures, type RunFeaturesOptions } from './run-features.js'
export { FeatureInputs } from './train/feature-inputs.js'
export { type GradientJobResult, GradientProcessor, type GradientProcessorOptions } from './train/gradient-processor.js'
export { startGradientWorker } from './train/gradient-worker.js'
export { augmentOptions } from './train/image-inputs.js'
export { LocalGradients } from './train/local-gradients.js'
export { type OpenSessionOptions, openTrainingSession } from './train/open-session.js'
export { headLoss } from './train/loss-of.js'
export { initialParameters, plannedNetwork, TrainingSession } from './train/training-session.js'
export { fleetWeightsLoader, type LoadFleetWeights, openStoreFile } from './weights/weights-file.js'
export { fleetWeights, FleetWeights } from './weights/weights-store.js'
export { type ExplainedPicture, explainedInput, explainPicture } from './explain/explain-picture.js'
export { type ExplainedImage, ImageExplainer, type ImageExplainerOptions } from './explain/image-explainer.js'
export { type ExplainMethod, explainMethods } from './explain/methods.js'
