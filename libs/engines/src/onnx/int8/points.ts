import type { TensorMap } from '@layermill/core'
import { pruneNodes, type GraphNode } from '@layermill/models'
import { foldBatchNorm } from '../lower/fold.js'
import { planInt8 } from './plan.js'

/**
 * The nodes whose ranges are needed to compute each of some sets of nodes in int8, in the order of the graph. What a set needs depends on
 * the set: a value has the range of the concatenation that it goes into only where that is computed.
 */
export function calibrationPoints(nodes: readonly GraphNode[], weights: TensorMap, sets: readonly (readonly string[])[]): string[] {
  const points = new Set<string>()
  for (const outputs of sets) {
    const options = { outputs: new Set(outputs), inPlace: false }
    const folded = foldBatchNorm(pruneNodes(nodes, outputs), weights, options)
    for (const point of planInt8(folded.nodes, options.outputs).points) points.add(point)
  }
  return nodes.map(({ name }) => name).filter(name => points.has(name))
}
