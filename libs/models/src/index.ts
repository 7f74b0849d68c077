export { type LayerCost, layerCosts, parameterCount } from './costs.js'
export type {
  Architecture, Family, GraphNode, GraphVariant, Network, NodeOf, OpAttributes, OpName, OpParameters, Preparation, Size2,
} from './graph.js'
export {
  fineTunedNetwork, type FineTunedNetwork, type HeadSpec, type HiddenLayer, isFineTuned, networkDescription, type NetworkDescription,
  networkFromDescription,
} from './heads.js'
export { type LeftOutReason, leftOutText } from './left-out.js'
export {
  MODEL_FILE, MODEL_WEIGHTS_FILE, type ModelDescription, type ModelFiles, type ModelToWrite, preparationDescription, readModelFolder,
  type StoredModel, writeModelFolder,
} from './model-folder.js'
export { findNode, getNetwork, networkIds, pruneNodes, resolveLayers } from './network.js'
export {
  describePreparation, namedPreparation, nameOfPreparation, preparationNames, preparedAs, preparedWith, type WeightsPreparation,
  withPreparation,
} from './preparations/named.js'
export { preparationFrom } from './preparations/schema.js'
export { chainerWeights, GOLDEN_SEED, picture, referenceInput, referenceWeights, torchvisionWeights, uniform } from './reference.js'
export { inferShapes, layerShapes, parameterShapes, pooledSize, type Shape } from './shapes.js'
export { classNamesFrom } from './weights/class-names.js'
export { type IdentifiedWeights, identifyWeights } from './weights/identify.js'
export { weightsIdentity } from './weights/identity.js'
export { initialiseAll, type Initialiser, initialiseWeight } from './weights/initialise.js'
export { type LoadOptions, loadWeights } from './weights/load.js'
export {
  type ImportedWeights, importWeights, type ListedFile, type ListedWeights, listWeights, type VerifiedFile, verifyWeights,
} from './weights/manage.js'
export { torchvisionKey } from './weights/names/torchvision.js'
export { type FetchedWeights, type FetchOptions, fetchWeights, type WeightsProgress } from './weights/published.js'
export { readTensors, readWeights, type WeightTarget } from './weights/read.js'
export { PUBLISHED_WEIGHTS, type PublishedFile, type PublishedWeights, type WeightRegistry } from './weights/registry.js'
export type { WeightFormat, WeightOrigin, WeightSet } from './weights/types.js'
export { writeNpz, writeWeightsNpz } from './weights/writers/npz.js'
export { safetensorsBytes, writeSafetensors, writeWeightsSafetensors } from './weights/writers/safetensors.js'
