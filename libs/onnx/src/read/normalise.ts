import { invalid, unsupported } from '../invalid.js'
import type { GraphDef, ModelDef, NodeDef, TensorDef, ValueDef } from '../types.js'
import { floatTensor, intTensor } from './encode.js'
import { inlineFunctions } from './inline.js'

/** The versions that the runtime takes. */
const newestIr = 13
const supportedOpsets = { oldest: 7, newest: 26 } as const

/** A graph in a form that the rest can rely on: functions inlined, constants among the initializers, nodes in order. */
export interface Graph {
  readonly nodes: readonly NodeDef[]
  readonly initializers: ReadonlyMap<string, TensorDef>
  /** Inputs that no initializer gives a value, in the file's order. */
  readonly inputs: readonly ValueDef[]
  /** Inputs with an initializer of the same name: weights of old files, and inputs with a default. */
  readonly defaulted: readonly ValueDef[]
  readonly outputs: readonly ValueDef[]
  /** Types and shapes that the file says of its values. */
  readonly values: ReadonlyMap<string, ValueDef>
  /** The node that gives a value. */
  readonly producers: ReadonlyMap<string, number>
  /** The nodes that take a value, or have a graph within that does. */
  readonly consumers: ReadonlyMap<string, readonly number[]>
}

function checkVersions({ irVersion, opsets }: ModelDef, file: string): void {
  if (irVersion < 3) throw invalid(file, `it is of IR version ${irVersion}; ONNX networks have 3 or more`)
  if (irVersion > newestIr) {
    throw unsupported(
      file,
      `it is of IR version ${irVersion}; ONNX Runtime takes up to ${newestIr}`,
      'export it with an older opset, such as 20',
    )
  }
  const opset = opsets.get('') ?? 0
  if (opset < supportedOpsets.oldest || opset > supportedOpsets.newest) {
    throw unsupported(
      file,
      `it is of opset ${opset}; expected ${supportedOpsets.oldest} to ${supportedOpsets.newest}`,
      'export it again: torch.onnx.export(..., opset_version=17)',
    )
  }
}

/** The tensor of a Constant node; undefined for text and sparse ones, which stay nodes. */
export function constantOf(node: NodeDef): TensorDef | undefined {
  if (node.op !== 'Constant' || node.domain !== '' || node.outputs.length !== 1) return undefined
  const name = node.outputs[0]!
  const attribute = [...node.attributes.values()][0]
  switch (attribute?.name) {
    case 'value':
      return attribute.tensor === undefined ? undefined : { ...attribute.tensor, name }
    case 'value_int':
      return intTensor(name, attribute.numbers, [])
    case 'value_ints':
      return intTensor(name, attribute.numbers)
    case 'value_float':
      return floatTensor(name, attribute.numbers, [])
    case 'value_floats':
      return floatTensor(name, attribute.numbers, [attribute.numbers.length])
    default:
      return undefined
  }
}

/** Names that a graph within a node takes from outside. */
function captured(graph: GraphDef, into: Set<string>): void {
  const own = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ])
  const inner = new Set(graph.outputs.map(({ name }) => name))
  for (const node of graph.nodes) for (const name of namesTaken(node)) inner.add(name)
  for (const name of inner) if (!own.has(name)) into.add(name)
}

/** All values that a node needs, those that graphs within it take included; '' is left out. */
export function namesTaken(node: NodeDef): Set<string> {
  const names = new Set(node.inputs)
  for (const attribute of node.attributes.values()) for (const graph of attribute.graphs) captured(graph, names)
  names.delete('')
  return names
}

/** Nodes in an order in which each one's inputs are there before it: the file's own, where that is one. */
function inOrder(nodes: readonly NodeDef[], given: ReadonlySet<string>, file: string): NodeDef[] {
  const known = new Set(given)
  const ordered: NodeDef[] = []
  const waiting = new Map<string, NodeDef[]>()
  const missing = new Map<NodeDef, number>()
  const put = (first: NodeDef): void => {
    const ready = [first]
    for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
      ordered.push(node)
      for (const name of node.outputs) {
        if (name === '') continue
        known.add(name)
        for (const next of waiting.get(name) ?? []) {
          missing.set(next, missing.get(next)! - 1)
          if (missing.get(next) === 0) ready.push(next)
        }
        waiting.delete(name)
      }
    }
  }
  for (const node of nodes) {
    const absent = [...namesTaken(node)].filter(name => !known.has(name))
    missing.set(node, absent.length)
    if (absent.length === 0) put(node)
    for (const name of absent) {
      const list = waiting.get(name)
      if (list === undefined) waiting.set(name, [node])
      else list.push(node)
    }
  }
  if (ordered.length === nodes.length) return ordered
  const all = new Set(nodes.flatMap(({ outputs }) => outputs))
  const lost = [...waiting.keys()].find(name => !all.has(name))
  throw invalid(
    file,
    lost === undefined
      ? `its nodes depend on each other in a circle, ${[...waiting.keys()][0]} among them`
      : `nothing gives the value '${lost}'`,
  )
}

function indexValues(nodes: readonly NodeDef[], given: ReadonlySet<string>, file: string): Pick<Graph, 'producers' | 'consumers'> {
  const producers = new Map<string, number>()
  const consumers = new Map<string, number[]>()
  nodes.forEach((node, i) => {
    for (const name of node.outputs) {
      if (name === '') continue
      if (producers.has(name) || given.has(name)) throw invalid(file, `two things give the value '${name}'`)
      producers.set(name, i)
    }
    for (const name of namesTaken(node)) {
      const list = consumers.get(name)
      if (list === undefined) consumers.set(name, [i])
      else list.push(i)
    }
  })
  return { producers, consumers }
}

/**
 * A model's graph: functions inlined, constants among the initializers, nodes in order.
 * @throws LayermillError `ONNX_INVALID` for circles and values that nothing gives or two nodes do; `ONNX_UNSUPPORTED` for versions
 */
export function normalise(model: ModelDef, file: string): Graph {
  checkVersions(model, file)
  const { graph } = model
  const initializers = new Map(graph.initializers)
  const nodes: NodeDef[] = []
  for (const node of inlineFunctions(model, file)) {
    const constant = constantOf(node)
    if (constant === undefined) nodes.push(node)
    else {
      if (initializers.has(constant.name)) throw invalid(file, `two things give the value '${constant.name}'`)
      initializers.set(constant.name, constant)
    }
  }
  for (const node of nodes) {
    for (const { name, tensor } of node.attributes.values()) {
      if (tensor?.place !== undefined) throw unsupported(file, `attribute ${name} of node '${node.name}' (${node.op}) holds a large tensor`)
    }
  }
  const given = new Set([...initializers.keys(), ...graph.inputs.map(({ name }) => name)])
  const ordered = inOrder(nodes, given, file)
  const index = indexValues(ordered, given, file)
  if (graph.outputs.length === 0) throw invalid(file, 'its graph has no outputs')
  for (const { name } of graph.outputs) {
    if (!index.producers.has(name) && !given.has(name)) throw invalid(file, `nothing gives the output '${name}'`)
  }
  return {
    nodes: ordered,
    initializers,
    inputs: graph.inputs.filter(({ name }) => !initializers.has(name)),
    defaulted: graph.inputs.filter(({ name }) => initializers.has(name)),
    outputs: graph.outputs,
    values: graph.values,
    ...index,
  }
}
