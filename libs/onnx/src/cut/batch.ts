import { concatenate, intField, message, stringField } from '@layermill/core'
import { dependents } from '../depends.js'
import { intTensor } from '../read/encode.js'
import { type Graph, namesTaken } from '../read/normalise.js'
import { smallNumbers } from '../read/parse-tensor.js'
import { inferNode } from '../shapes/infer.js'
import { type Info, ints, product, unknown } from '../shapes/info.js'
import { type AttributeDef, int64, type NodeDef, type TensorDef } from '../types.js'

/** Nodes and constants that a repair puts in. */
export interface Repaired {
  readonly nodes: readonly NodeDef[]
  readonly added: readonly TensorDef[]
}

/** Facts on a graph that repairs are made by. */
export interface Known {
  /** Values, for the images that the file computes at a time: most often one. */
  readonly values: ReadonlyMap<string, Info>
  /** Version of ONNX's own operators. */
  readonly opset: number
}

/** Place of the images in a value: the dimension that holds them, and what they are multiplied with there. */
export interface BatchPlace {
  readonly axis: number
  /** Factor of that dimension which lies outside of the images: 17 of 17 tokens x images. */
  readonly outside: number
}

/** Place of images in the first dimension, as in most values: taken where nothing else is known. */
export const imagesInFront: BatchPlace = { axis: 0, outside: 1 }

/** An attribute of one whole number. */
export function intAttribute(name: string, value: number): AttributeDef {
  const proto = concatenate(message([stringField(1, name), intField(3, value), intField(20, 2)]))
  return { name, kind: 'int', numbers: [value], text: '', graphs: [], reference: '', proto }
}

/** A node with one output, by whose name it is called. */
export const plainNode = (op: string, inputs: string[], output: string, attributes: AttributeDef[] = [], domain = ''): NodeDef => ({
  name: output,
  op,
  domain,
  overload: '',
  inputs,
  outputs: [output],
  attributes: new Map(attributes.map(attribute => [attribute.name, attribute])),
  metadata: new Map(),
  rest: [],
})

/** Operators whose inputs are broadcast to each other. */
const paired = new Set(['Add', 'Sub', 'Mul', 'Div', 'Where', 'MatMul'])

/** Operators that leave the order of the numbers. */
const reshaping = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'])

/** Names that the repairs begin with; no exporter's. */
const prefix = 'layermill.batch'

/** Takes the batch out of the constants that exporters bake it into. */
class BatchRepair {
  private readonly depends: ReadonlySet<string>
  private readonly added: TensorDef[] = []
  private readonly nodes: NodeDef[] = []
  private sizeKnown = false
  private readonly values: ReadonlyMap<string, Info>
  /** Images that the file computes at a time. */
  private readonly images: number
  /** Facts on values for twice as many images, where they differ: so the dimension that holds the batch is known. */
  private readonly pair = new Map<string, Info>()
  /** Factor of the dimension with the batch that lies outside of it, where there is one: 17 of 17 tokens x images. */
  private readonly outside = new Map<string, number>()

  constructor(
    private readonly graph: Graph,
    private readonly image: string,
    private readonly known: Known,
  ) {
    this.values = known.values
    this.depends = dependents(graph, image)
    const info = this.values.get(image)
    this.images = info?.dims?.[0] ?? 1
    if (info?.dims !== undefined) this.pair.set(image, { ...info, dims: [2 * this.images, ...info.dims.slice(1)] })
  }

  repair(nodes: readonly NodeDef[]): Repaired {
    for (const node of nodes) this.put(this.repaired(node))
    return { nodes: this.nodes, added: this.added }
  }

  /** Places of the images in all values that have them in one dimension. */
  get places(): Map<string, BatchPlace> {
    const found = new Map<string, BatchPlace>()
    for (const name of this.pair.keys()) {
      const axis = this.axisOf(name)
      if (axis !== undefined) found.set(name, { axis, outside: this.outside.get(name) ?? 1 })
    }
    return found
  }

  private put(node: NodeDef): void {
    this.nodes.push(node)
    const taken = [...namesTaken(node)]
    if (!taken.some(name => this.pair.has(name))) return
    const scope = (name: string): Info | undefined => this.pair.get(name) ?? this.values.get(name)
    const inputs = node.inputs.map(name => scope(name) ?? unknown)
    inferNode({ node, inputs, opset: this.known.opset, scope }).forEach((info, i) => this.pair.set(node.outputs[i]!, info))
    if (reshaping.has(node.op)) return this.followOutside(node.inputs[0]!, node.outputs[0]!)
    const from = taken.find(name => this.outside.has(name))
    if (from === undefined) return
    for (const name of node.outputs) if (this.rowsOf(name) === this.rowsOf(from)) this.outside.set(name, this.outside.get(from)!)
  }

  /** Numbers of a value that lie before its images, which are in this dimension. */
  private numbersBefore(name: string, axis: number): number {
    return product(this.values.get(name)!.dims!.slice(0, axis))! * (this.outside.get(name) ?? 1)
  }

  /** As many numbers lie before the images behind a new shape as did in front of it. */
  private followOutside(from: string, to: string): void {
    const [axis, at] = [this.axisOf(from), this.axisOf(to)]
    if (axis === undefined || at === undefined) return
    const before = this.numbersBefore(from, axis)
    const factor = before / product(this.values.get(to)!.dims!.slice(0, at))!
    if (Number.isInteger(factor) && factor > 1) this.outside.set(to, factor)
    else this.outside.delete(to)
  }

  /** The size of the dimension with the batch. */
  private rowsOf(name: string): number | undefined {
    const axis = this.axisOf(name)
    return axis === undefined ? undefined : this.values.get(name)!.dims![axis]
  }

  /** The dimension of a value that holds the batch. */
  private axisOf(name: string): number | undefined {
    const [one, two] = [this.values.get(name)?.dims, this.pair.get(name)?.dims]
    if (one === undefined || one.length !== two?.length) return undefined
    const axes = one.flatMap((size, i) => (size === two[i] ? [] : [i]))
    const [axis] = axes
    return axes.length === 1 && one[axis!] !== undefined && two[axis!] === 2 * one[axis!]! ? axis : undefined
  }

  private repaired(node: NodeDef): NodeDef {
    if (node.domain !== '') return node
    if (node.op === 'Reshape' && this.depends.has(node.inputs[0]!)) return this.reshape(node)
    if (node.op === 'Gather') return this.strided(node)
    if (node.op === 'Expand') return this.expand(node)
    if (node.op === 'Resize') return this.resize(node)
    if (paired.has(node.op)) return this.repeatConstants(node)
    if (node.op === 'Concat' && node.inputs.some(name => this.depends.has(name))) return this.concat(node)
    return node
  }

  /** Sizes that stay for any batch: those of a constant, and those made of constants alone. */
  private bakedNumbers(name: string): readonly number[] | undefined {
    const tensor = this.graph.initializers.get(name)
    if (tensor !== undefined) return smallNumbers(tensor, '')
    const one = this.values.get(name)?.numbers
    const two = (this.pair.get(name) ?? this.values.get(name))?.numbers
    return one !== undefined && two?.every((size, i) => size === one[i]) === true ? one : undefined
  }

  /** The size of a shape that holds the batch is left open; where another one is, it is taken from what is known. */
  private reshape(node: NodeDef): NodeDef {
    const shape = this.bakedNumbers(node.inputs[1] ?? '')
    if (shape === undefined || shape.length === 0) return node
    const sides = this.openedSides(node, shape)
    if (sides === undefined) return node
    const name = this.shape(sides)
    const attributes = new Map(node.attributes)
    attributes.delete('allowzero')
    return { ...node, inputs: [node.inputs[0]!, name], attributes }
  }

  private openedSides(node: NodeDef, shape: readonly number[]): number[] | undefined {
    const dims = this.values.get(node.outputs[0]!)?.dims
    const known = dims === undefined || dims.includes(undefined) ? undefined : (dims as number[])
    const at = known && this.placeOfBatch(node, known)
    if (at !== undefined) return shape[at]! < 1 ? undefined : known!.map((size, i) => (i === at ? -1 : size))
    if (shape[0]! < 1) return undefined
    if (!shape.includes(-1)) return [-1, ...shape.slice(1)]
    if (known !== undefined) return [-1, ...known.slice(1)]
    // Zero takes the input's first size, which is the batch only where one image has one row.
    return shape[0] === 1 && this.values.get(node.inputs[0]!)?.dims?.[0] === 1 ? [0, ...shape.slice(1)] : undefined
  }

  /**
   * The size of a new shape that the batch goes to: as many numbers lie before it as did. Sizes of one are alike in this; a transposition
   * that follows and puts one of them in front says which is meant.
   */
  private placeOfBatch(node: NodeDef, sides: readonly number[]): number | undefined {
    const axis = this.axisOf(node.inputs[0]!)
    if (axis === undefined) return undefined
    const before = this.numbersBefore(node.inputs[0]!, axis)
    const places = sides.flatMap((_, i) =>
      product(sides.slice(0, i)) === before && sides[i]! % this.images === 0 && (i === 0 || i < sides.length - 1) ? [i] : [],
    )
    const next = this.graph.nodes[this.graph.consumers.get(node.outputs[0]!)?.[0] ?? -1]
    const front = next?.op === 'Transpose' ? ints({ node: next, inputs: [], opset: this.known.opset }, 'perm')?.[0] : undefined
    if (places.length > 0) return front !== undefined && places.includes(front) && sides[front] === this.images ? front : places[0]
    // It joins what lies before it: the last size holds what one token or pixel has.
    const within = sides.findIndex((_, i) => product(sides.slice(0, i + 1))! >= before)
    const factor = within < 0 ? 0.5 : before / product(sides.slice(0, within))!
    if (!Number.isInteger(factor)) return undefined
    this.outside.set(node.outputs[0]!, factor)
    return within
  }

  /** A constant that has a row for each of one image's, such as a mask of windows, has them for each image. */
  private repeatConstants(node: NodeDef): NodeDef {
    const varying = node.inputs.find(name => (this.rowsOf(name) ?? 1) > 1 && !this.outside.has(name))
    if (varying === undefined) return node
    const rows = this.rowsOf(varying)!
    const behind = this.values.get(varying)!.dims!.length - this.axisOf(varying)!
    if (node.op === 'MatMul' && behind <= 2) return node
    const inputs = node.inputs.map(name => {
      const dims = this.depends.has(name) ? undefined : this.values.get(name)?.dims
      return dims?.at(-behind) === rows && dims.length >= behind ? this.repeated('Tile', name, dims.length, dims.length - behind) : name
    })
    return { ...node, inputs }
  }

  /** A size that a value is repeated to is left as the value has it, where it holds the batch. */
  private expand(node: NodeDef): NodeDef {
    const shape = this.bakedNumbers(node.inputs[1] ?? '')
    const axis = this.axisOf(node.inputs[0]!)
    const rank = this.values.get(node.inputs[0]!)?.dims?.length
    if (shape === undefined || axis === undefined || rank === undefined) return node
    const at = axis + shape.length - rank
    return { ...node, inputs: [node.inputs[0]!, this.shape(shape.map((size, i) => (i === at ? 1 : size)))] }
  }

  /** The number of images in the sizes that maps are brought to: else a batch would be resized to one image. */
  private resize(node: NodeDef): NodeDef {
    const [data = '', roi = '', scales = '', sizes = ''] = node.inputs
    const shape = this.bakedNumbers(sizes)
    if (shape === undefined || this.axisOf(data) !== 0) return node
    const axes = node.attributes.get('axes')?.numbers ?? shape.map((_, i) => i)
    const at = axes.indexOf(0)
    if (at < 0 || shape[at] !== this.rowsOf(data) || shape[at] !== this.values.get(this.image)?.dims?.[0]) return node
    const to = `${prefix}.sizes.${this.nodes.length}`
    const parts = shape.map((size, i) => (i === at ? this.count() : this.shape([size])))
    this.put(plainNode('Concat', parts, to, [intAttribute('axis', 0)]))
    return { ...node, inputs: [data, roi, scales, to] }
  }

  private shape(sides: readonly number[]): string {
    const name = `${prefix}.shape.${this.added.length}`
    this.add(name, sides)
    return name
  }

  private add(name: string, numbers: readonly number[]): void {
    this.added.push(intTensor(name, numbers))
    this.pair.set(name, { type: int64, dims: [numbers.length], numbers })
  }

  /** Numbers taken by their places in an image that is flattened before (`as_strided` of today's exporter): each image by itself. */
  private strided(node: NodeDef): NodeDef {
    const [data = '', indices = ''] = node.inputs
    const flat = this.graph.nodes[this.graph.producers.get(data) ?? -1]
    const places = this.graph.initializers.get(indices)?.dims
    const image = flat?.op === 'Reshape' ? this.values.get(flat.inputs[0]!)?.dims : undefined
    const isFlat = this.values.get(data)?.dims?.length === 1
    if (flat === undefined || !isFlat || image?.[0] !== this.images || !this.depends.has(data)) return node
    if (places?.[0] !== this.images || (node.attributes.get('axis')?.numbers[0] ?? 0) !== 0) return node
    const at = this.nodes.length
    const [rows, taken] = [`${prefix}.flat.${at}`, `${prefix}.taken.${at}`]
    this.put(plainNode('Reshape', [flat.inputs[0]!, this.shape([0, -1])], rows))
    const own = this.images === 1 ? indices : this.ofOneImage(indices, 0)
    this.put(plainNode('Gather', [rows, own], taken, [intAttribute('axis', 1)]))
    return { ...node, op: 'Reshape', inputs: [taken, this.shape([-1, ...places.slice(1)])], attributes: new Map() }
  }

  /** A constant of a single row beside values of a batch, as a class token, is repeated for each image. */
  private concat(node: NodeDef): NodeDef {
    const rank = node.inputs.map(name => this.values.get(name)?.dims?.length).find(length => length !== undefined)
    const axis = node.attributes.get('axis')?.numbers[0] ?? 1
    if (rank === undefined || rank < 2 || axis === 0 || axis === -rank) return node
    const inputs = node.inputs.map(name => {
      if (this.depends.has(name) || this.values.get(name)?.dims?.[0] !== this.images) return name
      return this.repeated('Expand', name, rank, 0)
    })
    return { ...node, inputs }
  }

  /** A constant with one dimension repeated for each image. */
  private repeated(op: 'Expand' | 'Tile', constant: string, rank: number, axis: number): string {
    const name = this.images === 1 ? constant : this.ofOneImage(constant, axis)
    const at = this.nodes.length
    const [to, rows] = [`${prefix}.to.${at}`, `${prefix}.rows.${at}`]
    const ones = (count: number): string[] => (count === 0 ? [] : [this.shape(Array.from({ length: count }, () => 1))])
    this.put(plainNode('Concat', [...ones(axis), this.count(), ...ones(rank - axis - 1)], to, [intAttribute('axis', 0)]))
    this.put(plainNode(op, [name, to], rows))
    return rows
  }

  /** The part of a constant that belongs to the first of the images that it is for. */
  private ofOneImage(name: string, axis: number): string {
    const part = `${prefix}.part.${this.nodes.length}`
    const rows = this.values.get(name)!.dims!.at(axis)! / this.images
    this.put(plainNode('Slice', [name, this.shape([0]), this.shape([rows]), this.shape([axis])], part))
    return part
  }

  /** The number of images, as a value. */
  private count(): string {
    const count = `${prefix}.count`
    if (this.sizeKnown) return count
    this.sizeKnown = true
    this.add(`${prefix}.first`, [0])
    this.put(plainNode('Shape', [this.image], `${prefix}.images`))
    this.put(plainNode('Gather', [`${prefix}.images`, `${prefix}.first`], count, [intAttribute('axis', 0)]))
    return count
  }
}

/**
 * The nodes with the batch taken out of constants: sizes of shapes that hold it, rows of constants that are joined to the values of
 * images. A guess, which only numbers prove: a batch of k must give what k batches of one do.
 */
export function repairBatch(graph: Graph, nodes: readonly NodeDef[], image: string, known: Known): Repaired {
  return new BatchRepair(graph, image, known).repair(nodes)
}

/** Places of the images in the values of a graph, where they are known: by shapes for twice as many images. */
export function followBatch(graph: Graph, image: string, known: Known): Map<string, BatchPlace> {
  const repair = new BatchRepair(graph, image, known)
  repair.repair(graph.nodes)
  return repair.places
}
