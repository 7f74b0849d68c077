import type { Graph } from '../read/normalise.js'
import { ownScopesOf } from './scopes.js'

/** A later call of a module, as TorchScript writes it into names: `relu_1` is call 1 of `relu`. */
export interface LaterCall {
  readonly first: string
  readonly call: number
}

/** A node of a module or of one within it. */
export interface Entry {
  readonly node: number
  /** Place among the nodes whose names tell of modules. */
  readonly place: number
  /** The innermost module, and which call of it. */
  readonly module: string
  readonly call: number
  readonly output: string
}

/** `relu_1` and `inner.0_1` as second calls: the path and number; undefined for a path that says no number. */
function numbered(path: string): LaterCall | undefined {
  const match = /^(.*(?:[^_\d]|\.\d+))_(\d+)$/.exec(path)
  return match === null || match[2] === '0' ? undefined : { first: match[1]!, call: Number(match[2]) }
}

/**
 * Paths that TorchScript gives to later calls of a module, whose own operators are those of the first, unless weights carry such a path:
 * then it is a module of its own.
 * @param own nodes of each path that lie in no module within it
 */
export function laterCallsOf(graph: Graph, own: ReadonlyMap<string, readonly number[]>): Map<string, LaterCall> {
  const weights = new Set<string>()
  for (const name of graph.initializers.keys()) {
    const parts = name.split('.')
    for (let i = 1; i < parts.length; i++) weights.add(parts.slice(0, i).join('.'))
  }
  const operators = (path: string): string => {
    // A node of another module, which this one was fused into, says nothing of it.
    const nodes = own.get(path)!.filter(index => ownScopesOf(graph.nodes[index]!)?.paths.includes(path) !== false)
    return JSON.stringify(nodes.map(index => graph.nodes[index]!.op).toSorted())
  }
  const found = new Map<string, LaterCall>()
  for (const path of own.keys()) {
    const later = numbered(path)
    if (later === undefined || !own.has(later.first) || weights.has(path)) continue
    const between = Array.from({ length: later.call - 1 }, (_, i) => `${later.first}_${i + 1}`)
    if (between.every(other => own.has(other)) && operators(later.first) === operators(path)) found.set(path, later)
  }
  return found
}

/** Stretches of entries that no node of another module lies between. */
function stretches(entries: readonly Entry[]): Entry[][] {
  const found: Entry[][] = []
  for (const entry of entries) {
    const last = found.at(-1)
    if (last !== undefined && entry.place - last.at(-1)!.place <= 1) last.push(entry)
    else found.push([entry])
  }
  return found
}

/**
 * Calls within a stretch that follow each other directly: the module's own nodes say which they are of. The next begins where the first
 * node of a call comes again, behind the last own node.
 */
function cut(path: string, entries: readonly Entry[], graph: Graph): (readonly Entry[])[] {
  const key = ({ module, node }: Entry): string => `${module} ${graph.nodes[node]!.op}`
  const pieces: (readonly Entry[])[] = []
  let start = 0
  let last = -1
  entries.forEach((entry, i) => {
    if (entry.module !== path) return
    if (last >= start && entries[last]!.call !== entry.call) {
      const again = entries.findIndex((other, at) => at > last && at <= i && key(other) === key(entries[start]!))
      const next = again < 0 ? last + 1 : again
      pieces.push(entries.slice(start, next))
      start = next
    }
    last = i
  })
  return [...pieces, entries.slice(start)]
}

/** Whether a stretch has a module of a call in another call: then it belongs to another one. */
function differs(call: readonly Entry[], piece: readonly Entry[]): boolean {
  const seen = new Map<string, Set<number>>()
  for (const entry of call) seen.set(entry.module, (seen.get(entry.module) ?? new Set()).add(entry.call))
  return piece.some(entry => seen.get(entry.module)?.has(entry.call) === false)
}

/**
 * The calls of a module by the nodes in it, in order. TorchScript tells the calls of the innermost module alone: those of a module around
 * others lie between nodes of other modules, or are told by nodes of its own.
 */
export function callsOf(path: string, entries: readonly Entry[], graph: Graph): Entry[][] {
  if (entries.every(({ call }) => call === 0)) return [[...entries]]
  const calls: Entry[][] = []
  for (const piece of stretches(entries).flatMap(stretch => cut(path, stretch, graph))) {
    const last = calls.at(-1)
    if (last === undefined || differs(last, piece)) calls.push([...piece])
    else last.push(...piece)
  }
  return calls
}
