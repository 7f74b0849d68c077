import { type Graph, namesTaken } from './read/normalise.js'

/** Operators whose result depends on an input's shape alone. */
const shapeOnly = new Set(['Shape', 'Size'])

/** All values that depend on the numbers of an input. */
export function dependents(graph: Graph, input: string): Set<string> {
  const reached = new Set([input])
  for (const node of graph.nodes) {
    if (shapeOnly.has(node.op)) continue
    let depends = false
    for (const name of namesTaken(node)) depends ||= reached.has(name)
    if (depends) for (const output of node.outputs) if (output !== '') reached.add(output)
  }
  return reached
}

/** The nodes that the values need, in the graph's order. */
export function needed(graph: Graph, values: Iterable<string>): Set<number> {
  const nodes = new Set<number>()
  const waiting = [...values]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = graph.producers.get(name)
    if (node === undefined || nodes.has(node)) continue
    nodes.add(node)
    waiting.push(...namesTaken(graph.nodes[node]!))
  }
  return nodes
}
