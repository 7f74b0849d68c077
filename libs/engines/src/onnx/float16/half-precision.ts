import { toFloat16 } from '@layermill/core'
import { int, type OnnxGraph, type OnnxInitializer, type OnnxNode } from '../graph.js'

/** Products and sums of few values, of which float16 keeps enough. */
const halves: ReadonlySet<string> = new Set(['Conv', 'Gemm', 'Add', 'Concat'])
/** They hand on what they are given, in whichever type it comes. */
const either: ReadonlySet<string> = new Set(['Relu', 'MaxPool', 'Flatten', 'Identity'])
/** TensorProto.DataType */
const types = { float32: 1, float16: 10 } as const

type Precision = keyof typeof types

function halved(tensor: OnnxInitializer): OnnxInitializer {
  if (tensor.type !== 'float32') throw new RangeError(`a constant of ${tensor.type} in a graph of float32`)
  const data = new Uint16Array(tensor.data.length)
  toFloat16(tensor.data, data)
  return { type: 'float16', shape: tensor.shape, data }
}

/** Writes the nodes of a float32 graph again, each in its precision, with casts where a value is read in the other. */
class HalfPrecision {
  readonly nodes: OnnxNode[] = []
  readonly initializers = new Map<string, OnnxInitializer>()
  /** How each value is computed: its other version is a cast, made when it is first read. */
  private readonly computed = new Map<string, Precision>()
  private readonly cast = new Set<string>()

  constructor(private readonly graph: OnnxGraph) {
    for (const { name } of graph.inputs) this.computed.set(name, 'float32')
  }

  write(node: OnnxNode): void {
    const precision = this.precisionOf(node)
    const inputs = node.inputs.map(name => this.read(name, precision))
    for (const output of node.outputs) this.computed.set(output, precision)
    this.nodes.push({ ...node, inputs, outputs: node.outputs.map(name => nameOf(name, precision)) })
  }

  /** The name of a value in a precision. */
  read(name: string, precision: Precision): string {
    const constant = this.graph.initializers.get(name)
    const read = nameOf(name, precision)
    if (constant !== undefined) {
      if (!this.initializers.has(read)) this.initializers.set(read, precision === 'float16' ? halved(constant) : constant)
      return read
    }
    const computed = this.computed.get(name)
    if (computed === undefined) throw new RangeError(`${name} is read before it is computed`)
    if (computed !== precision && !this.cast.has(name)) {
      this.nodes.push({ op: 'Cast', inputs: [nameOf(name, computed)], outputs: [read], attributes: { to: int(types[precision]) } })
      this.cast.add(name)
    }
    return read
  }

  private precisionOf({ op, inputs }: OnnxNode): Precision {
    if (either.has(op)) return this.computed.get(inputs[0]!) ?? 'float32'
    return halves.has(op) ? 'float16' : 'float32'
  }
}

/** A float32 value keeps its name, so that inputs and outputs do. */
const nameOf = (name: string, precision: Precision): string => (precision === 'float32' ? name : `${name}/float16`)

/**
 * The same graph with weights and most values in float16. Images and results stay float32, and so does what would overflow or lose its sum
 * in halves: LRN (squares of values in the hundreds), means over many values, softmax, batch norm that was not folded.
 * @param graph in float32, every output a node's
 */
export function toHalfPrecision(graph: OnnxGraph): OnnxGraph {
  const written = new HalfPrecision(graph)
  for (const node of graph.nodes) written.write(node)
  for (const { name } of graph.outputs) written.read(name, 'float32')
  return { ...graph, nodes: written.nodes, initializers: written.initializers }
}
