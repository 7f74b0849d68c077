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
export { double, elementName, float, float16, isFloat, uint8, type NodeDef, type ValueDef } from './types.js'
export { isOnnxNetwork, OnnxGraph, onnxNetwork, type OnnxNetwork, type OnnxNetworkOptions, probabilities, takesPixels } from './network.js'
export type { Forward } from './train/forward.js'
export { prefixOf, takeTokens } from './tokens.js'
export { ownNormalisation, type OwnNormalisation } from './normalised.js'
