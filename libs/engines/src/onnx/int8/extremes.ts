import { int, type OnnxGraph, type OnnxNode } from '../graph.js'

/** Name of a value's smallest and largest number. */
export const extremesOf = (value: string): string => `${value}/extremes`

/**
 * A graph that gives, instead of each of its outputs, the smallest and the largest number of it: [2, 1, ...]. The values themselves, many
 * megabytes an image, then stay in the runtime.
 */
export function withExtremes(graph: OnnxGraph): OnnxGraph {
  const nodes = graph.outputs.flatMap(({ name }): OnnxNode[] => {
    const [low, high] = [`${name}/smallest`, `${name}/largest`]
    return [
      { op: 'ReduceMin', inputs: [name], outputs: [low], attributes: { keepdims: int(1) } },
      { op: 'ReduceMax', inputs: [name], outputs: [high], attributes: { keepdims: int(1) } },
      { op: 'Concat', inputs: [low, high], outputs: [extremesOf(name)], attributes: { axis: int(0) } },
    ]
  })
  const outputs = graph.outputs.map(({ name, shape }) => ({ name: extremesOf(name), shape: shape.map((_, i) => (i === 0 ? 2 : 1)) }))
  return { ...graph, nodes: [...graph.nodes, ...nodes], outputs }
}
