/** The rule of the stored values beside this file; the engine's self-check uses it too, so it lives with the networks. */
export { fnv1a32, lowbias32 } from '@layermill/core'
export { chainerWeights, goldenSeed, picture, torchvisionWeights, uniform } from '@layermill/weights'
