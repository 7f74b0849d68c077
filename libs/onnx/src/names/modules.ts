import type { Graph } from '../read/normalise.js'
import { scopesOf } from './scopes.js'

/** One call of a module. */
export interface Call {
  /** The value that it gave. */
  readonly value: string
  /** Its nodes. */
  readonly nodes: readonly number[]
}

/** Modules by path, each with its calls in order. */
export type Modules = ReadonlyMap<string, readonly Call[]>

/** The values that can be layers, by the node that gives them. */
export type LayerValues = ReadonlySet<string>

/** The value that a group of nodes gives to the rest: the last one that is used outside of it, else the last. */
export function valueOf(graph: Graph, nodes: readonly number[], layerValues: LayerValues): string | undefined {
  const inside = new Set(nodes)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  // Only first outputs: those behind them are scales, masks, places.
  const candidates = nodes.flatMap(node => graph.nodes[node]!.outputs.slice(0, 1).filter(name => layerValues.has(name)))
  const leaves = (name: string): boolean => outputs.has(name) || (graph.consumers.get(name) ?? []).some(node => !inside.has(node))
  return candidates.findLast(leaves) ?? candidates.at(-1)
}

/** Nodes of each path, cut into calls where nodes of other modules lie between: modules run one after the other. */
function groupNodes(graph: Graph, layerValues: LayerValues): Map<string, number[][]> {
  const groups = new Map<string, number[][]>()
  let open = new Set<string>()
  graph.nodes.forEach((node, i) => {
    const scopes = scopesOf(node)
    if (scopes === undefined || !node.outputs.some(name => layerValues.has(name))) return
    for (const path of scopes.paths) {
      const calls = groups.get(path) ?? []
      // TorchScript's names tell calls apart themselves.
      if (calls.length === 0 || (scopes.exporter === 'dynamo' && !open.has(path))) calls.push([])
      calls.at(-1)!.push(i)
      groups.set(path, calls)
    }
    open = new Set(scopes.paths)
  })
  return groups
}

/** `relu_1` as the second call of `relu`: the path and number of the call; undefined for a path that says no number. */
function laterCall(path: string): { first: string; call: number } | undefined {
  const match = /^(.*[^_\d])_(\d+)$/.exec(path)
  return match === null || match[2] === '0' ? undefined : { first: match[1]!, call: Number(match[2]) }
}

/**
 * TorchScript writes a module's later calls as `relu_1`, `relu_2`. They are joined to the module's, unless weights carry such a path: then
 * it is a module of its own.
 */
function joinCalls(modules: ReadonlyMap<string, readonly Call[]>, graph: Graph): Map<string, Call[]> {
  const weights = new Set<string>()
  for (const name of graph.initializers.keys()) {
    const parts = name.split('.')
    for (let i = 1; i < parts.length; i++) weights.add(parts.slice(0, i).join('.'))
  }
  const operators = (calls: readonly Call[]): string => JSON.stringify(calls[0]!.nodes.map(node => graph.nodes[node]!.op).toSorted())
  const joined = new Map<string, Call[]>()
  for (const [path, calls] of modules) joined.set(path, [...calls])
  for (const [path, calls] of modules) {
    const later = laterCall(path)
    const first = later && modules.get(later.first)
    if (later === undefined || first === undefined || weights.has(path)) continue
    const between = Array.from({ length: later.call - 1 }, (_, i) => `${later.first}_${i + 1}`)
    if (!between.every(other => modules.has(other)) || operators(first) !== operators(calls)) continue
    joined.get(later.first)![later.call] = calls[0]!
  }
  // A call without a place (one between is missing) would leave a hole.
  return new Map([...joined].map(([path, calls]) => [path, calls.filter(call => call !== undefined)]))
}

/** The modules that nodes' names and metadata tell of. */
export function findModules(graph: Graph, layerValues: LayerValues): Modules {
  const modules = new Map<string, Call[]>()
  let torchscript = false
  for (const [path, groups] of groupNodes(graph, layerValues)) {
    const calls = groups.flatMap(nodes => {
      const value = valueOf(graph, nodes, layerValues)
      return value === undefined ? [] : [{ value, nodes }]
    })
    if (calls.length > 0) modules.set(path, calls)
    torchscript ||= scopesOf(graph.nodes[groups[0]![0]!]!)?.exporter === 'torchscript'
  }
  return torchscript ? joinCalls(modules, graph) : modules
}
