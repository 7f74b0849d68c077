import type { GraphNode } from '@layermill/models'

/** Which nodes of a network compute in int8, and whose range each quantised value has. */
export interface Int8Plan {
  /** Convolutions, linear layers, additions and concatenations that compute in int8. */
  readonly quantised: ReadonlySet<string>
  /** The ReLU that a quantised node does as well, by that node: its values are clipped at zero where they are rounded. */
  readonly fused: ReadonlyMap<string, string>
  /** Linear layers whose results are float32: nothing reads them in int8. */
  readonly dequantised: ReadonlySet<string>
  /** The node whose range a node's value is quantised with. */
  rangeOf(node: string): string
  /** The nodes whose ranges are needed, in the order of the graph. */
  readonly points: readonly string[]
}

/** Ops whose values are some of their input's values: they have its scale, and take it in either form. */
const passing = new Set<GraphNode['op']>(['maxPool', 'dropout', 'flatten'])
const computing = new Set<GraphNode['op']>(['conv', 'linear', 'add', 'concat'])

/** Whether a concatenation is of answers, which are not rounded. */
function joinsAnswers(nodes: readonly GraphNode[]): (node: GraphNode) => boolean {
  const answers = new Set(nodes.flatMap(({ name, op }) => (op === 'softmax' || op === 'sigmoid' || op === 'slice' ? [name] : [])))
  return ({ inputs }) => inputs.some(input => answers.has(input))
}

function readersOf(nodes: readonly GraphNode[]): Map<string, GraphNode[]> {
  const readers = new Map<string, GraphNode[]>(nodes.map(({ name }) => [name, []]))
  for (const node of nodes) for (const input of node.inputs) readers.get(input)!.push(node)
  return readers
}

/** Whether something computes in int8 from a node's value. */
function readInInt8(node: string, readers: ReadonlyMap<string, readonly GraphNode[]>, quantised: ReadonlySet<string>): boolean {
  return readers
    .get(node)!
    .some(reader => quantised.has(reader.name) || (passing.has(reader.op) && readInInt8(reader.name, readers, quantised)))
}

function fusedRelus(
  nodes: readonly GraphNode[],
  readers: ReadonlyMap<string, readonly GraphNode[]>,
  quantised: ReadonlySet<string>,
  outputs: ReadonlySet<string>,
) {
  const fused = new Map<string, string>()
  for (const { name, op } of nodes) {
    const [reader, ...more] = readers.get(name)!
    if (quantised.has(name) && op !== 'concat' && !outputs.has(name) && more.length === 0 && reader?.op === 'relu')
      fused.set(name, reader.name)
  }
  return fused
}

/**
 * Whose range each value has: its own; its source's, where it passes values on; the concatenation's, where it goes into one, so that
 * joining needs no rescaling.
 */
function rangeSources(nodes: readonly GraphNode[], plan: Pick<Int8Plan, 'quantised'>): Map<string, string> {
  const sources = new Map<string, string>()
  const find = (node: string): string => (sources.has(node) ? find(sources.get(node)!) : node)
  for (const { name, op, inputs } of nodes) {
    if (passing.has(op)) sources.set(name, inputs[0]!)
    if (op !== 'concat' || !plan.quantised.has(name)) continue
    for (const input of inputs) if (!sources.has(input)) sources.set(input, name)
  }
  return new Map(nodes.map(({ name }) => [name, find(name)]))
}

/**
 * Plans a network in int8.
 * @param nodes pruned, batch norm folded
 * @param outputs nodes whose values are asked for
 * @param float nodes to leave in float32
 */
export function planInt8(nodes: readonly GraphNode[], outputs: ReadonlySet<string>, float: ReadonlySet<string> = new Set()): Int8Plan {
  const readers = readersOf(nodes)
  const isJoin = joinsAnswers(nodes)
  const computed = nodes.filter(node => computing.has(node.op) && !float.has(node.name) && !isJoin(node))
  const quantised = new Set(computed.map(({ name }) => name))
  const fused = fusedRelus(nodes, readers, quantised, outputs)
  const dequantised = new Set(
    nodes
      .filter(({ name, op }) => op === 'linear' && quantised.has(name) && !fused.has(name) && !readInInt8(name, readers, quantised))
      .map(({ name }) => name),
  )
  const sources = rangeSources(nodes, { quantised })
  const rangeOf = (node: string): string => sources.get(node)!
  const needed = new Set<string>()
  for (const { name, inputs } of nodes) {
    if (!quantised.has(name)) continue
    for (const input of inputs) needed.add(rangeOf(input))
    if (!dequantised.has(name)) needed.add(rangeOf(fused.get(name) ?? name))
  }
  return { quantised, fused, dequantised, rangeOf, points: nodes.map(({ name }) => name).filter(name => needed.has(name)) }
}
