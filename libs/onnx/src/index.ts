export { describeInput } from './image-input.js'
export {
  type Additions,
  type BatchKind,
  type Cut,
  type CutOptions,
  type ImageInput,
  type Layer,
  looksLikeOnnx,
  OnnxModel,
  type ValueShape,
  type WeightPiece,
} from './model.js'
export { double, elementName, float, float16, int32, int8, isFloat, uint8, type NodeDef, type TensorDef, type ValueDef } from './types.js'
export { isOnnxNetwork, OnnxGraph, onnxNetwork, type OnnxNetwork, type OnnxNetworkOptions, probabilities, takesPixels } from './network.js'
export { batchOrder } from './batch-rows.js'
export { type BatchPlace, imagesInFront, intAttribute, plainNode, type Repaired } from './cut/batch.js'
export { rewriteOpset, runtimeDomain } from './cut/cut.js'
export { needed } from './depends.js'
export { rawTensor } from './read/encode.js'
export { namesTaken } from './read/normalise.js'
export { smallNumbers } from './read/parse-tensor.js'
export type { Forward } from './train/forward.js'
export { prefixOf, takeTokens } from './tokens.js'
export { ownNormalisation, type OwnNormalisation } from './normalised.js'
