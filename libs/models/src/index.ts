export { type LayerCost, layerCosts, parameterCount } from './costs.js'
export type {
  Architecture,
  Family,
  GraphNode,
  GraphVariant,
  NamedLayer,
  Network,
  NetworkGraph,
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
export { resamples, type TokenPart, tokenParts } from './graph.js'
export {
  fineTunedNetwork,
  type FineTunedNetwork,
  type HeadSpec,
  type HiddenLayer,
  isFineTuned,
  networkDescription,
  type NetworkDescription,
  networkFromDescription,
} from './heads.js'
export { type LeftOutReason, leftOutText } from './left-out.js'
export { expandLayers, findNode, getNetwork, isLayerPattern, namedLayers, networkIds, pruneNodes, resolveLayers } from './network.js'
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
