export { type LayerCost, layerCosts, parameterCount } from './costs.js'
export type {
  CropRounding,
  GraphNode,
  GraphVariant,
  NodeOf,
  OpAttributes,
  OpName,
  OpParameters,
  Preparation,
  Resample,
  ResizeRule,
  ResizeTarget,
  Size2,
} from './graph.js'
export { type FloatResample, floatResamples, resamples } from './graph.js'
export {
  type Architecture,
  type Family,
  type GraphHead,
  type LearnableTensor,
  type NamedLayer,
  type Network,
  type NetworkGraph,
  type TokenPart,
  tokenParts,
} from './types.js'
export { definitionOf, networks } from './networks/index.js'
export type { Initialiser, NetworkDefinition } from './networks/shared/definition.js'
export type { Dialect, KerasNames, Layout, NameRule } from './networks/shared/naming.js'
export type { FileFormat, PublishedFile, PublishedWeights } from './networks/shared/published.js'
export { kerasEpsilon } from './networks/families/resnet.js'
export {
  fineTunedNetwork,
  type FineTunedNetwork,
  type HeadSlice,
  type HeadSpec,
  type HeadTarget,
  headTargets,
  type HiddenLayer,
  isFineTuned,
  learnableShapes,
  networkDescription,
  type NetworkDescription,
  networkFromDescription,
  networksWithAuxiliary,
  type SliceTarget,
  sliceTargets,
} from './heads.js'
export { type ModelHead, type ModelTarget, modelTarget, type OneTarget, sliceOutputs } from './model-target.js'
export { type LeftOutReason, leftOutText } from './left-out.js'
export {
  expandLayers,
  findNode,
  getNetwork,
  isLayerPattern,
  namedLayers,
  networkIds,
  oneLayer,
  pruneNodes,
  resolveLayers,
} from './network.js'
export { describePreparation } from './preparations/describe.js'
export {
  givesOwnSizes,
  namedPreparation,
  nameOfPreparation,
  preparationNames,
  preparedAs,
  preparedWith,
  type WeightsPreparation,
  withPreparation,
} from './preparations/named.js'
export {
  libraryOf,
  preparationFromFile,
  preparationFromMetadata,
  type PreparationFileOptions,
  type PreparationLibrary,
} from './preparations/file.js'
export { inputOf, preparationFrom, timmConfig } from './preparations/schema.js'
export { torchvisionWeights, torchvisionWeightsPreparation } from './preparations/torchvision-weights.js'
export type { FilePreparation } from './preparations/transformers.js'
export { inferShapes, layerShapes, parameterShapes, pooledSize, type Shape } from './shapes.js'
export { canonicalLayer } from './layer-names.js'
