import { elementCount } from '@layermill/core'
import { inferShapes, type Network, pruneNodes, resolveLayers, type Size2 } from '@layermill/models'

/**
 * Bytes of float32 values that are there at once while one image is computed: those of the network when they are most, and the image and
 * the results twice, as they are also on their way to and from the engine. Weights and what does not grow with the batch are left out.
 */
export function workingBytesPerImage(network: Network, layers: readonly string[], inputSize: Size2): number {
  if (network.graph !== undefined) return network.graph.workingBytes(layers, inputSize)
  const outputs = resolveLayers(network, layers)
  const nodes = pruneNodes(network.nodes, outputs)
  const shapes = inferShapes(nodes, inputSize)
  const size = (name: string): number => elementCount(shapes.get(name)!)
  const lastReader = new Map(nodes.flatMap((node, i) => node.inputs.map((input): [string, number] => [input, i])))
  const kept = new Set(outputs)
  let live = 0
  let most = 0
  for (const [i, node] of nodes.entries()) {
    live += size(node.name)
    most = Math.max(most, live)
    for (const input of new Set(node.inputs)) if (lastReader.get(input) === i && !kept.has(input)) live -= size(input)
  }
  const handedOver = size(nodes[0]!.name) + [...kept].reduce((sum, name) => sum + size(name), 0)
  return (most + handedOver) * Float32Array.BYTES_PER_ELEMENT
}
