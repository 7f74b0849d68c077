import type { Graph } from '../read/normalise.js'
import { type Call, type LayerValues, type Modules, valueOf } from './modules.js'
import { scopesOf } from './scopes.js'

/** Operators that pass a weight on: to another type, another layout. */
const passing = new Set(['Cast', 'Transpose', 'Identity', 'DequantizeLinear', 'QuantizeLinear', 'Reshape', 'Unsqueeze', 'Squeeze'])

/** The module of a weight's name: `layer1.0.conv1` of `layer1.0.conv1.weight`. Names that exporters made up have none. */
function moduleOf(weight: string): string | undefined {
  if (weight.startsWith('onnx::') || weight.startsWith('/')) return undefined
  const at = weight.lastIndexOf('.')
  return at <= 0 ? undefined : weight.slice(0, at)
}

/** The name of the initializer that an input of a node is, seen through operators that pass it on. */
export function weightOf(graph: Graph, input: string): string | undefined {
  let name = input
  for (let depth = 0; depth < 8; depth++) {
    if (graph.initializers.has(name)) return name
    const producer = graph.producers.get(name)
    const node = producer === undefined ? undefined : graph.nodes[producer]!
    if (node === undefined || !passing.has(node.op)) return undefined
    name = node.inputs[0] ?? ''
  }
  return undefined
}

/** Modules by the names of the weights that nodes use: what their weights prove to be theirs. */
export function modulesOfWeights(graph: Graph, layerValues: LayerValues): Map<string, Call> {
  const nodes = new Map<string, number[]>()
  graph.nodes.forEach((node, i) => {
    if (passing.has(node.op) || !node.outputs.some(name => layerValues.has(name))) return
    const paths = new Set(node.inputs.map(input => moduleOf(weightOf(graph, input) ?? '')).filter(path => path !== undefined))
    for (const path of paths) {
      const list = nodes.get(path)
      if (list === undefined) nodes.set(path, [i])
      else list.push(i)
    }
  })
  const modules = new Map<string, Call>()
  for (const [path, list] of nodes) {
    const value = valueOf(graph, list, layerValues)
    if (value !== undefined) modules.set(path, { value, nodes: list })
  }
  return modules
}

/**
 * The module that uses the weights of one within it without calling it, as attention uses those of its last product: all nodes that take
 * them lie in the outer one by their names, and none in the inner one. Undefined where names tell nothing of the kind.
 */
export function borrowerOf(graph: Graph, path: string, { nodes }: Call): string | undefined {
  const innermost = nodes.map(node => scopesOf(graph.nodes[node]!)?.paths.at(-1))
  return innermost.every(scope => scope !== undefined && path.startsWith(`${scope}.`)) ? innermost[0] : undefined
}

/** A weight of a module that is used behind the module's own value, as ONNX Runtime's optimizer fuses a bias into what follows. */
export interface LateWeight {
  readonly weight: string
  /** The value of the node that uses it. */
  readonly user: string
}

/** Late weights by the value that their module is left with. */
export function lateWeights(graph: Graph, modules: Modules): Map<string, LateWeight> {
  const values = new Map([...modules].map(([path, calls]) => [path, new Set(calls.map(({ value }) => value))]))
  const found = new Map<string, LateWeight>()
  for (const node of graph.nodes) {
    const paths = scopesOf(node)?.paths ?? []
    for (const weight of node.inputs) {
      const path = graph.initializers.has(weight) ? moduleOf(weight) : undefined
      const own = path === undefined || paths.includes(path) ? undefined : values.get(path)
      const taken = node.inputs.find(input => own?.has(input) === true)
      if (taken !== undefined) found.set(taken, { weight, user: node.outputs.find(name => name !== '')! })
    }
  }
  return found
}
