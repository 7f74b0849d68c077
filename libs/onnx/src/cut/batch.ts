import { concatenate, intField, message, stringField } from '@layermill/core'
import { dependents } from '../depends.js'
import { intTensor } from '../read/encode.js'
import type { Graph } from '../read/normalise.js'
import { smallNumbers } from '../read/parse-tensor.js'
import type { Info } from '../shapes/info.js'
import type { AttributeDef, NodeDef, TensorDef } from '../types.js'

/** Nodes and constants that a repair puts in. */
export interface Repaired {
  readonly nodes: readonly NodeDef[]
  readonly added: readonly TensorDef[]
}

/** An attribute of one whole number. */
export function intAttribute(name: string, value: number): AttributeDef {
  const proto = concatenate(message([stringField(1, name), intField(3, value), intField(20, 2)]))
  return { name, kind: 'int', numbers: [value], text: '', graphs: [], reference: '', proto }
}

const plain = (op: string, inputs: string[], output: string, attributes: AttributeDef[] = []): NodeDef => ({
  name: output,
  op,
  domain: '',
  overload: '',
  inputs,
  outputs: [output],
  attributes: new Map(attributes.map(attribute => [attribute.name, attribute])),
  metadata: new Map(),
  rest: [],
})

/** Names that the repairs begin with; no exporter's. */
const prefix = 'layermill.batch'

/** Takes the batch out of the constants that exporters bake it into. */
class BatchRepair {
  private readonly depends: ReadonlySet<string>
  private readonly added: TensorDef[] = []
  private readonly nodes: NodeDef[] = []
  private sizeKnown = false

  constructor(
    private readonly graph: Graph,
    private readonly image: string,
    private readonly values: ReadonlyMap<string, Info>,
  ) {
    this.depends = dependents(graph, image)
  }

  repair(nodes: readonly NodeDef[]): Repaired {
    for (const node of nodes) this.nodes.push(this.repaired(node))
    return { nodes: this.nodes, added: this.added }
  }

  private repaired(node: NodeDef): NodeDef {
    if (node.domain !== '') return node
    if (node.op === 'Reshape' && this.depends.has(node.inputs[0]!)) return this.reshape(node)
    if (node.op === 'Gather') return this.strided(node)
    if (node.op === 'Concat' && node.inputs.some(name => this.depends.has(name))) return this.concat(node)
    return node
  }

  /** A shape's first size, which holds the batch, is left open; where another one is, it is taken from what is known, or the first from the input. */
  private reshape(node: NodeDef): NodeDef {
    const tensor = this.graph.initializers.get(node.inputs[1] ?? '')
    const shape = tensor && smallNumbers(tensor, '')
    if (shape === undefined || shape.length === 0 || shape[0]! < 1) return node
    const sides = this.openedSides(node, shape)
    if (sides === undefined) return node
    const name = this.shape(sides)
    const attributes = new Map(node.attributes)
    attributes.delete('allowzero')
    return { ...node, inputs: [node.inputs[0]!, name], attributes }
  }

  private openedSides(node: NodeDef, shape: readonly number[]): number[] | undefined {
    if (!shape.includes(-1)) return [-1, ...shape.slice(1)]
    const known = this.values.get(node.outputs[0]!)?.dims
    if (known !== undefined && !known.includes(undefined)) return [-1, ...(known as number[]).slice(1)]
    // Zero takes the input's first size, which is the batch only where one image has one row.
    return shape[0] === 1 && this.values.get(node.inputs[0]!)?.dims?.[0] === 1 ? [0, ...shape.slice(1)] : undefined
  }

  private shape(sides: readonly number[]): string {
    const name = `${prefix}.shape.${this.added.length}`
    this.added.push(intTensor(name, sides))
    return name
  }

  /** Numbers taken by their places in an image that is flattened before (`as_strided` of today's exporter): each image by itself. */
  private strided(node: NodeDef): NodeDef {
    const [data = '', indices = ''] = node.inputs
    const flat = this.graph.nodes[this.graph.producers.get(data) ?? -1]
    const places = this.graph.initializers.get(indices)?.dims
    const image = flat?.op === 'Reshape' ? this.values.get(flat.inputs[0]!)?.dims : undefined
    const isFlat = this.values.get(data)?.dims?.length === 1
    if (flat === undefined || !isFlat || image?.[0] !== 1 || !this.depends.has(data)) return node
    if (places?.[0] !== 1 || (node.attributes.get('axis')?.numbers[0] ?? 0) !== 0) return node
    const at = this.nodes.length
    const [rows, taken] = [`${prefix}.flat.${at}`, `${prefix}.taken.${at}`]
    this.nodes.push(
      plain('Reshape', [flat.inputs[0]!, this.shape([0, -1])], rows),
      plain('Gather', [rows, indices], taken, [intAttribute('axis', 1)]),
    )
    return { ...node, op: 'Reshape', inputs: [taken, this.shape([-1, ...places.slice(1)])], attributes: new Map() }
  }

  /** A constant of a single row beside values of a batch, as a class token, is repeated for each image. */
  private concat(node: NodeDef): NodeDef {
    const rank = node.inputs.map(name => this.values.get(name)?.dims?.length).find(length => length !== undefined)
    const axis = node.attributes.get('axis')?.numbers[0] ?? 1
    if (rank === undefined || rank < 2 || axis === 0 || axis === -rank) return node
    const inputs = node.inputs.map(name => {
      if (this.depends.has(name) || this.values.get(name)?.dims?.[0] !== 1) return name
      return this.expanded(name, rank)
    })
    return { ...node, inputs }
  }

  private expanded(name: string, rank: number): string {
    const count = `${prefix}.count`
    if (!this.sizeKnown) {
      this.sizeKnown = true
      this.added.push(intTensor(`${prefix}.first`, [0]))
      this.nodes.push(
        plain('Shape', [this.image], `${prefix}.images`),
        plain('Gather', [`${prefix}.images`, `${prefix}.first`], count, [intAttribute('axis', 0)]),
      )
    }
    const at = this.nodes.length
    const ones = `${prefix}.ones.${at}`
    this.added.push(
      intTensor(
        ones,
        Array.from({ length: rank - 1 }, () => 1),
      ),
    )
    this.nodes.push(
      plain('Concat', [count, ones], `${prefix}.to.${at}`, [intAttribute('axis', 0)]),
      plain('Expand', [name, `${prefix}.to.${at}`], `${prefix}.rows.${at}`),
    )
    return `${prefix}.rows.${at}`
  }
}

/**
 * The nodes with the batch taken out of constants: shapes of Reshape that begin with it, rows of constants that are joined to the values of
 * one image. A guess, which only numbers prove: a batch of k must give what k batches of one do.
 * @param values what is known of the graph's values for one image
 */
export function repairBatch(graph: Graph, nodes: readonly NodeDef[], image: string, values: ReadonlyMap<string, Info>): Repaired {
  return new BatchRepair(graph, image, values).repair(nodes)
}
