import { LayermillError, elementCount, type Tensor } from '@layermill/core'
import { findNode, parameterShapes, type FineTunedNetwork } from '@layermill/models'
import { seededRandom } from './random.js'

/**
 * First values of a head's parameters, by name: weights normal with standard deviation 1 / sqrt(fan in) (LeCun; Chainer's default of
 * a linear layer), biases 0. The same seed gives the same numbers everywhere.
 */
export function initialHead(network: FineTunedNetwork, seed: number): Map<string, Tensor> {
  const shapes = parameterShapes(network)
  const tensors = new Map<string, Tensor>()
  for (const name of network.newNodes) {
    const node = findNode(network, name)
    if (node.op !== 'linear') throw new LayermillError('NODE_UNKNOWN', `${name} of ${network.id} is no linear layer`)
    const { weight, bias } = node.parameters
    const random = seededRandom(seed, 'initial', weight)
    const shape = shapes.get(weight)!
    const deviation = 1 / Math.sqrt(node.attributes.inFeatures)
    tensors.set(weight, { shape, data: Float32Array.from({ length: elementCount(shape) }, () => random.normal() * deviation) })
    tensors.set(bias, { shape: shapes.get(bias)!, data: new Float32Array(node.attributes.outFeatures) })
  }
  return tensors
}
