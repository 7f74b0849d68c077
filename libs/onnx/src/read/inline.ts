import { invalid } from '../invalid.js'
import type { AttributeDef, FunctionDef, GraphDef, ModelDef, NodeDef } from '../types.js'
import { attributeOfGraphs, renamedAttribute } from './encode.js'

/** Most nodes of a graph whose functions are inlined: functions that call each other can describe more than any memory holds. */
const mostNodes = 500_000
const mostDepth = 64

const keyOf = (domain: string, name: string, overload: string): string => JSON.stringify([domain, name, overload])

/** Gives a node its values and the caller's attributes. */
function instance(node: NodeDef, rename: (name: string) => string, given: ReadonlyMap<string, AttributeDef>, prefix: string): NodeDef {
  const attributes = new Map<string, AttributeDef>()
  for (const attribute of node.attributes.values()) {
    if (attribute.reference !== '') {
      const value = given.get(attribute.reference)
      if (value !== undefined) attributes.set(attribute.name, renamedAttribute(value, attribute.name))
    } else if (attribute.graphs.length > 0) {
      const graphs = attribute.graphs.map(graph => subgraphInstance(graph, rename, given, prefix))
      attributes.set(attribute.name, attributeOfGraphs(attribute, graphs))
    } else attributes.set(attribute.name, attribute)
  }
  return {
    ...node,
    name: node.name === '' ? '' : `${prefix}/${node.name}`,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes,
  }
}

/** A graph within a function's node. Its own values keep their names, which nothing outside has. */
function subgraphInstance(
  graph: GraphDef,
  rename: (name: string) => string,
  given: ReadonlyMap<string, AttributeDef>,
  prefix: string,
): GraphDef {
  const own = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ])
  const inner = (name: string): string => (own.has(name) ? name : rename(name))
  return {
    ...graph,
    nodes: graph.nodes.map(node => instance(node, inner, given, prefix)),
    outputs: graph.outputs.map(value => ({ ...value, name: inner(value.name) })),
  }
}

/** Replaces calls of the model's own functions by the nodes of these. */
class Inliner {
  private readonly functions: ReadonlyMap<string, FunctionDef>
  private readonly taken: Set<string>
  /** The list that nodes go to. */
  private nodes: NodeDef[] = []
  private made = 0

  constructor(
    model: ModelDef,
    private readonly file: string,
  ) {
    this.functions = new Map(
      model.functions.map(item => [keyOf(item.domain === 'ai.onnx' ? '' : item.domain, item.name, item.overload), item]),
    )
    const { nodes, inputs, initializers } = model.graph
    this.taken = new Set([...nodes.flatMap(node => node.outputs), ...inputs.map(({ name }) => name), ...initializers.keys()])
  }

  inline(nodes: readonly NodeDef[]): NodeDef[] {
    for (const node of nodes) this.add(node, 0)
    return this.nodes
  }

  private add(node: NodeDef, depth: number): void {
    const definition = this.functions.get(keyOf(node.domain, node.op, node.overload))
    if (definition === undefined) {
      this.nodes.push(this.withGraphs(node, depth))
      this.made++
      if (this.made > mostNodes) throw invalid(this.file, `its functions make more than ${mostNodes} nodes`)
      return
    }
    if (depth >= mostDepth)
      throw invalid(this.file, `function ${definition.name} calls itself, or functions are nested more than ${mostDepth} deep`)
    const prefix = node.name === '' ? (node.outputs[0] ?? definition.name) : node.name
    const names = new Map<string, string>()
    definition.inputs.forEach((name, i) => names.set(name, node.inputs[i] ?? ''))
    definition.outputs.forEach((name, i) => {
      const given = node.outputs[i] ?? ''
      if (!names.has(name) && given !== '') names.set(name, given)
    })
    const rename = (name: string): string => {
      if (name === '') return ''
      const known = names.get(name)
      if (known !== undefined) return known
      const fresh = this.fresh(`${prefix}/${name}`)
      names.set(name, fresh)
      return fresh
    }
    const given = new Map([...definition.defaults, ...node.attributes])
    for (const inner of definition.nodes) {
      const made = instance(inner, rename, given, prefix)
      this.add({ ...made, metadata: made.metadata.size > 0 ? made.metadata : node.metadata }, depth + 1)
    }
    this.passThrough(definition, node)
  }

  /** A node whose graphs within, as the branches of an If, call functions as well. */
  private withGraphs(node: NodeDef, depth: number): NodeDef {
    if ([...node.attributes.values()].every(({ graphs }) => graphs.length === 0)) return node
    const attributes = [...node.attributes].map(([name, attribute]) => {
      if (attribute.graphs.length === 0) return [name, attribute] as const
      return [
        name,
        attributeOfGraphs(
          attribute,
          attribute.graphs.map(graph => this.within(graph, depth)),
        ),
      ] as const
    })
    return { ...node, attributes: new Map(attributes) }
  }

  private within(graph: GraphDef, depth: number): GraphDef {
    const { nodes } = this
    this.nodes = []
    for (const node of graph.nodes) this.add(node, depth)
    const inner = this.nodes
    this.nodes = nodes
    return { ...graph, nodes: inner }
  }

  /** A function whose output is one of its inputs. */
  private passThrough(definition: FunctionDef, node: NodeDef): void {
    definition.outputs.forEach((name, i) => {
      const at = definition.inputs.indexOf(name)
      const output = node.outputs[i] ?? ''
      if (at < 0 || output === '') return
      this.nodes.push({
        name: '',
        op: 'Identity',
        domain: '',
        overload: '',
        inputs: [node.inputs[at] ?? ''],
        outputs: [output],
        attributes: new Map(),
        metadata: node.metadata,
        rest: [],
      })
    })
  }

  private fresh(name: string): string {
    let fresh = name
    for (let i = 2; this.taken.has(fresh); i++) fresh = `${name}.${i}`
    this.taken.add(fresh)
    return fresh
  }
}

/**
 * The nodes of the model's graph with the model's own functions inlined. Values within a function are called `CALL/VALUE`, by the name of
 * the node that calls it.
 * @throws LayermillError `ONNX_INVALID` for functions that call themselves
 */
export function inlineFunctions(model: ModelDef, file: string): readonly NodeDef[] {
  return model.functions.length === 0 ? model.graph.nodes : new Inliner(model, file).inline(model.graph.nodes)
}
