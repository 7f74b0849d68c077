import type { RunRecord } from '@layermill/contracts'
import { elementCount } from '@layermill/core'
import { layerShapes, type Network } from '@layermill/models'

/** Bytes that parts under way may take together. */
export const mostPartBytes = 128 * 2 ** 20

const float = Float32Array.BYTES_PER_ELEMENT

/** Bytes of results that a part gathers, and of the activations of one batch of its images where their size is known. */
export function partBytes({ identity, layers, partSize, batchSize, spec }: RunRecord, network: Network): number {
  if (spec.kind !== 'extract') return 0
  const rowBytes = layers.reduce((sum, { shape }) => sum + elementCount(shape), 0) * (identity.dtype === 'float16' ? 2 : float)
  const { size } = identity.preparation
  if (size === 'keep') return partSize * rowBytes
  const shapes = layerShapes(network, identity.layers, [size.height, size.width])
  const activations = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0) * float
  return partSize * rowBytes + (batchSize === 'auto' ? 1 : batchSize) * activations
}
