import { definitionOf } from './networks/index.js'
import type { KnownLayer } from './networks/shared/layer-names.js'
import type { Network } from './types.js'

function known(network: Network, name: string): KnownLayer | undefined {
  if (network.family === 'onnx') return undefined
  for (const [pattern, layer] of definitionOf(network.architecture)?.layerNames(network.family, network) ?? []) {
    const match = pattern.exec(name)
    if (match === null) continue
    const found = layer(match.slice(1))
    return found !== undefined && network.layers.has(found.layer) ? found : undefined
  }
  return undefined
}

/**
 * Our name of a layer that torchvision, timm, Keras, transformers or Caffe name, as `layer4` is `res5`; every other name as it is, also one
 * whose values are not exactly those of a layer here.
 */
export function canonicalLayer(network: Network, name: string): string {
  if (network.graph !== undefined || network.layers.has(name)) return name
  const found = known(network, name)
  return found?.exact === true ? found.layer : name
}

/** The layer that comes closest to what another system calls by this name; undefined for a name that none of them has. */
export function nearestToForeignLayer(network: Network, name: string): string | undefined {
  return known(network, name)?.layer
}
