/** The rule of the stored values beside this file; the engine's self-check uses it too, so it lives with the networks. */
export { chainerWeights, fnv1a32, GOLDEN_SEED, lowbias32, picture, torchvisionWeights, uniform } from '@layermill/models'
