import type { Graph } from '../read/normalise.js'
import type { NodeDef, TensorDef } from '../types.js'

/** A node that is called as its first output. */
export const node = (op: string, inputs: string[], ...outputs: string[]): NodeDef => ({
  name: outputs[0]!,
  op,
  domain: '',
  overload: '',
  inputs,
  outputs,
  attributes: new Map(),
  metadata: new Map(),
  rest: [],
})

/** A graph of nodes in order; all that are named and given by none are constants. */
export function graphOf(nodes: readonly NodeDef[], constants: readonly TensorDef[] = []): Graph {
  const consumers = new Map<string, number[]>()
  nodes.forEach(({ inputs }, i) => inputs.forEach(name => consumers.set(name, [...(consumers.get(name) ?? []), i])))
  return {
    nodes,
    initializers: new Map(constants.map(tensor => [tensor.name, tensor])),
    inputs: [],
    defaulted: [],
    outputs: [],
    values: new Map(),
    producers: new Map(nodes.flatMap(({ outputs }, i) => outputs.map(name => [name, i] as const))),
    consumers,
  }
}
