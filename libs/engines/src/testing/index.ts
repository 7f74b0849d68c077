export { engineContract, engineLeftOut } from './engine-contract.js'
export { networkContract } from './network-contract.js'
export { computeReference, type Value } from './reference.js'
export { inSharedMemory, node, numbers, tinyImages, tinyNetwork, tinyWeights } from './tiny.js'
