import type { Graph } from '../read/normalise.js'
import { blockedValues } from '../shapes/runtime.js'
import { callsOf, type Entry, type LaterCall, laterCallsOf } from './calls.js'
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

/** Paths of all nodes that names or metadata put into modules, in the order of the graph. */
function namedNodes(graph: Graph, layerValues: LayerValues): { node: number; named: { scopes: Scopes; output: string }[] }[] {
  return graph.nodes.flatMap((node, i) => {
    const named = node.outputs.some(name => layerValues.has(name)) ? outputsByPath(graph, i) : []
    return named.length === 0 ? [] : [{ node: i, named }]
  })
}

type Named = ReturnType<typeof namedNodes>

function addTo(group: Group, node: number, output: string, layerValues: LayerValues): void {
  if (group.nodes.at(-1) !== node) group.nodes.push(node)
  if (layerValues.has(output)) group.candidates.push(output)
}

/** Nodes of each path, cut into calls where nodes of other modules lie between: modules run one after the other. */
function groupNodes(named: Named, layerValues: LayerValues): Map<string, Group[]> {
  const groups = new Map<string, Group[]>()
  let open = new Set<string>()
  for (const { node, named: own } of named) {
    for (const { scopes, output } of own) {
      for (const path of scopes.paths) {
        const calls = groups.get(path) ?? []
        if (calls.length === 0 || (scopes.exporter === 'dynamo' && !open.has(path))) calls.push({ nodes: [], candidates: [] })
        addTo(calls.at(-1)!, node, output, layerValues)
        groups.set(path, calls)
      }
    }
    open = new Set(own.flatMap(({ scopes }) => scopes.paths))
  }
  return groups
}

/** The list of a key, which is made where there is none. */
function listIn<Item>(lists: Map<string, Item[]>, key: string): Item[] {
  const found = lists.get(key)
  if (found !== undefined) return found
  const made: Item[] = []
  lists.set(key, made)
  return made
}

/** Nodes that lie in a path, and in no path within it. */
function ownNodes(named: Named): Map<string, number[]> {
  const own = new Map<string, number[]>()
  for (const { node, named: all } of named) {
    for (const { scopes } of all) {
      const path = scopes.paths.at(-1)
      if (path !== undefined) listIn(own, path).push(node)
    }
  }
  return own
}

/** Nodes of each path of TorchScript's, whose names tell the calls of innermost modules. */
function groupCalls(graph: Graph, named: Named, later: ReadonlyMap<string, LaterCall>, layerValues: LayerValues): Map<string, Group[]> {
  const entries = new Map<string, Entry[]>()
  named.forEach(({ node, named: own }, place) => {
    for (const { scopes, output } of own) {
      const innermost = scopes.paths.at(-1)
      if (innermost === undefined) continue
      const { first: module, call } = later.get(innermost) ?? { first: innermost, call: 0 }
      for (const path of new Set([...scopes.paths.slice(0, -1), module])) listIn(entries, path).push({ node, place, module, call, output })
    }
  })
  return new Map(
    [...entries].map(([path, all]) => [
      path,
      callsOf(path, all, graph).map(call => {
        const group: Group = { nodes: [], candidates: [] }
        for (const { node, output } of call) addTo(group, node, output, layerValues)
        return group
      }),
    ]),
  )
}

/** The modules of a graph. */
export interface FoundModules {
  readonly modules: Modules
  /** Paths by which TorchScript names later calls, as `relu_1`, with the names that these have here, as `relu#1`. */
  readonly laterCalls: ReadonlyMap<string, string>
}

/** The modules that nodes' names and metadata tell of. */
export function findModules(graph: Graph, layerValues: LayerValues): FoundModules {
  const blocked = blockedValues(graph)
  const all = blocked.size === 0 ? layerValues : new Set([...layerValues, ...blocked])
  const named = namedNodes(graph, all)
  const own = ownNodes(named)
  const isTorchscript = named.some(({ named: paths }) => paths.some(({ scopes }) => scopes.exporter === 'torchscript'))
  const later = isTorchscript ? laterCallsOf(graph, own) : new Map<string, LaterCall>()
  const groups = later.size > 0 ? groupCalls(graph, named, later, all) : groupNodes(named, all)
  const modules = new Map<string, Call[]>()
  for (const [path, found] of groups) {
    const calls = found.flatMap(({ nodes, candidates }) => {
      const value = lastUsed(graph, nodes, candidates)
      return value === undefined || blocked.has(value) ? [] : [{ value, nodes }]
    })
    if (calls.length > 0) modules.set(path, calls)
  }
  const laterCalls = [...later].flatMap(([path, { first }]) => {
    const at = modules.get(first)?.findIndex(({ nodes }) => nodes.includes(own.get(path)![0]!)) ?? -1
    return at < 0 ? [] : [[path, `${first}#${at}`] as const]
  })
  return { modules, laterCalls: new Map(laterCalls) }
}
