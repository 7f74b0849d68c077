import type { Graph } from '../read/normalise.js'
import { blockedValues } from '../shapes/runtime.js'
import { ownScopesOf, type Scopes, scopesOf } from './scopes.js'

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
  // Only first outputs: those behind them are scales, masks, places.
  const candidates = nodes.flatMap(node => graph.nodes[node]!.outputs.slice(0, 1).filter(name => layerValues.has(name)))
  return lastUsed(graph, nodes, candidates)
}

function lastUsed(graph: Graph, nodes: readonly number[], candidates: readonly string[]): string | undefined {
  const inside = new Set(nodes)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const leaves = (name: string): boolean => outputs.has(name) || (graph.consumers.get(name) ?? []).some(node => !inside.has(node))
  return candidates.findLast(leaves) ?? candidates.at(-1)
}

/** The nodes of one call of a path, and the values of these that can be the module's. */
interface Group {
  readonly nodes: number[]
  readonly candidates: string[]
}

/**
 * Paths of a node with the output that is theirs: the first, and those behind it whose own names tell of another module. A node that others
 * were fused into is its own module's, too, as its name says it.
 */
function outputsByPath(graph: Graph, index: number): { scopes: Scopes; output: string }[] {
  const node = graph.nodes[index]!
  const first = scopesOf(node)
  const own = ownScopesOf(node)
  const output = node.outputs[0] ?? ''
  const found = first === undefined ? [] : [{ scopes: first, output }]
  if (own !== undefined && own.paths.at(-1) !== first?.paths.at(-1)) {
    const others = own.paths.filter(path => first?.paths.includes(path) !== true)
    found.push({ scopes: { ...own, paths: others }, output })
  }
  for (const later of node.outputs.slice(1)) {
    const scopes = first?.exporter === 'dynamo' ? undefined : scopesOf(node, later)
    const isOwn = scopes?.paths.at(-1) === own?.paths.at(-1)
    if (scopes?.exporter === 'torchscript' && !isOwn && scopes.paths.at(-1) !== first?.paths.at(-1)) found.push({ scopes, output: later })
  }
  return found
}

/** Nodes of each path, cut into calls where nodes of other modules lie between: modules run one after the other. */
function groupNodes(graph: Graph, layerValues: LayerValues): Map<string, Group[]> {
  const groups = new Map<string, Group[]>()
  let open = new Set<string>()
  graph.nodes.forEach((node, i) => {
    const named = node.outputs.some(name => layerValues.has(name)) ? outputsByPath(graph, i) : []
    if (named.length === 0) return
    for (const { scopes, output } of named) {
      for (const path of scopes.paths) {
        const calls = groups.get(path) ?? []
        // TorchScript's names tell calls apart themselves.
        if (calls.length === 0 || (scopes.exporter === 'dynamo' && !open.has(path))) calls.push({ nodes: [], candidates: [] })
        const call = calls.at(-1)!
        if (call.nodes.at(-1) !== i) call.nodes.push(i)
        if (layerValues.has(output)) call.candidates.push(output)
        groups.set(path, calls)
      }
    }
    open = new Set(named.flatMap(({ scopes }) => scopes.paths))
  })
  return groups
}

/** `relu_1` as the second call of `relu`: the path and number of the call; undefined for a path that says no number. */
function laterCall(path: string): { first: string; call: number } | undefined {
  const match = /^(.*[^_\d])_(\d+)$/.exec(path)
  return match === null || match[2] === '0' ? undefined : { first: match[1]!, call: Number(match[2]) }
}

/** The modules of a graph. */
export interface FoundModules {
  readonly modules: Modules
  /** Paths by which TorchScript names later calls, as `relu_1`, with the names that these have here, as `relu#1`. */
  readonly laterCalls: ReadonlyMap<string, string>
}

/**
 * TorchScript writes a module's later calls as `relu_1`, `relu_2`. They are joined to the module's, unless weights carry such a path: then
 * it is a module of its own.
 */
function joinCalls(modules: ReadonlyMap<string, readonly Call[]>, graph: Graph): FoundModules {
  const weights = new Set<string>()
  for (const name of graph.initializers.keys()) {
    const parts = name.split('.')
    for (let i = 1; i < parts.length; i++) weights.add(parts.slice(0, i).join('.'))
  }
  // A node of another module, which this one was fused into, says nothing of it.
  const isOwn = (index: number, path: string): boolean => ownScopesOf(graph.nodes[index]!)?.paths.includes(path) !== false
  const operators = (path: string): string => {
    const nodes = modules.get(path)![0]!.nodes.filter(index => isOwn(index, path))
    return JSON.stringify(nodes.map(index => graph.nodes[index]!.op).toSorted())
  }
  const joined = new Map<string, Call[]>()
  const laterCalls = new Map<string, string>()
  for (const [path, calls] of modules) joined.set(path, [...calls])
  for (const [path, calls] of modules) {
    const later = laterCall(path)
    const first = later && modules.get(later.first)
    if (later === undefined || first === undefined || weights.has(path)) continue
    const between = Array.from({ length: later.call - 1 }, (_, i) => `${later.first}_${i + 1}`)
    if (!between.every(other => modules.has(other)) || operators(later.first) !== operators(path)) continue
    joined.get(later.first)![later.call] = calls[0]!
    laterCalls.set(path, `${later.first}#${later.call}`)
  }
  for (const path of laterCalls.keys()) joined.delete(path)
  // A call without a place (one between is missing) would leave a hole.
  return { modules: new Map([...joined].map(([path, calls]) => [path, calls.filter(call => call !== undefined)])), laterCalls }
}

/** The modules that nodes' names and metadata tell of. */
export function findModules(graph: Graph, layerValues: LayerValues): FoundModules {
  const modules = new Map<string, Call[]>()
  let torchscript = false
  const blocked = blockedValues(graph)
  const all = blocked.size === 0 ? layerValues : new Set([...layerValues, ...blocked])
  for (const [path, groups] of groupNodes(graph, all)) {
    const calls = groups.flatMap(({ nodes, candidates }) => {
      const value = lastUsed(graph, nodes, candidates)
      return value === undefined || blocked.has(value) ? [] : [{ value, nodes }]
    })
    if (calls.length > 0) modules.set(path, calls)
    torchscript ||= scopesOf(graph.nodes[groups[0]!.nodes[0]!]!)?.exporter === 'torchscript'
  }
  return torchscript ? joinCalls(modules, graph) : { modules, laterCalls: new Map() }
}
