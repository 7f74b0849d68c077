import type { OnnxGraph } from '../graph.js'

export interface WithoutRectified {
  readonly graph: OnnxGraph
  /** Of each value that is no output any more, the output that it is the ReLU of. */
  readonly rectified: ReadonlyMap<string, string>
}

/**
 * A graph that does not give values which follow from others that it gives: the ReLU of an output. The runtime holds every output twice, as
 * it computes it and as it gives it back, until the last one is there; all layers of VGG16 take 110 MB an image, and half of that without
 * these.
 */
export function withoutRectified(graph: OnnxGraph): WithoutRectified {
  const given = new Set(graph.outputs.map(({ name }) => name))
  const rectified = new Map<string, string>()
  for (const { op, inputs, outputs } of graph.nodes) {
    const [input] = inputs
    const [output] = outputs
    if (op === 'Relu' && given.has(input!) && given.has(output!)) rectified.set(output!, rectified.get(input!) ?? input!)
  }
  return { graph: { ...graph, outputs: graph.outputs.filter(({ name }) => !rectified.has(name)) }, rectified }
}

/** The ReLU of values, in memory of its own, as the runtime's: a NaN stays the one that it is, and a negative zero stays negative. */
export function rectify(values: Float32Array): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values)
  for (let i = 0; i < result.length; i++) if (result[i]! < 0) result[i] = 0
  return result
}
