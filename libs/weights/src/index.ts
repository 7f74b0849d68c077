export { classNamesFrom } from './class-names.js'
export { type IdentifiedWeights, identifyWeights } from './identify.js'
export { weightsIdentity } from './identity.js'
export { initialiseAll, initialiseWeight } from './initialise.js'
export { fetchToFile, type LoadOptions, loadWeights } from './load.js'
export {
  type ImportedWeights,
  importWeights,
  type ListedFile,
  type ListedWeights,
  listWeights,
  type VerifiedFile,
  verifyWeights,
} from './manage.js'
export {
  modelFile,
  modelGraphFile,
  modelWeightsFile,
  type ModelDescription,
  type ModelFiles,
  type ModelToWrite,
  preparationDescription,
  readModelFolder,
  readModelNetwork,
  type StoredModel,
  writeGraphModel,
  writeModelFolder,
} from './model-folder.js'
export { folderPreparation, isPreparationPlace, readPreparation } from './preparation-file.js'
export { torchvisionKey } from './names/scheme.js'
export { type FetchedWeights, type FetchOptions, fetchWeights, type WeightsProgress } from './published.js'
export { readTensors, readWeights, type WeightTarget } from './read.js'
export { chainerWeights, goldenSeed, picture, referenceInput, referenceWeights, torchvisionWeights, uniform } from './reference.js'
export { checkWeightsReach } from './reach.js'
export { publishedWeights, type WeightRegistry } from './registry.js'
export type { WeightFormat, WeightOrigin, WeightSet } from './types.js'
export { writeNpz, writeWeightsNpz } from './writers/npz.js'
export { safetensorsBytes, writeSafetensors, writeWeightsSafetensors } from './writers/safetensors.js'
export { openNpzArrays } from './readers/npz-arrays.js'
export type { NpzArray } from './readers/npz.js'
