import { LayermillError, type Tensor } from '@layermill/core'
import {
  type CutOptions,
  float,
  int32,
  int8,
  namesTaken,
  type NodeDef,
  plainNode,
  rawTensor,
  type Repaired,
  runtimeDomain,
  type TensorDef,
  uint8,
} from '@layermill/onnx'
import { activationQuantiser, type QuantisedWeights, quantiseWeights, type Range } from '../int8/parameters.js'
import type { Int8Node, Int8Plan } from './int8-plan.js'

/** Names that the nodes in int8 begin with; no exporter's. */
const prefix = 'layermill.int8'

/** Weights of one node as they are multiplied, with the bias in float32. */
interface Multiplied {
  readonly weights: QuantisedWeights
  readonly shape: readonly number[]
  readonly bias?: Float32Array | undefined
}

/** [K, N] as [N, K], or the other way round. */
function turned<Data extends Float32Array | Int8Array>(data: Data, rows: number, columns: number): Data {
  const result = data.slice() as Data
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!
  return result
}

const attributeOf = ({ attributes }: NodeDef, name: string, usual: number): number => attributes.get(name)?.numbers[0] ?? usual

/** Weights [K, N] of a product, quantised by columns; Gemm's factors are multiplied in. */
function productWeights(node: NodeDef, weight: Tensor, bias: Tensor | undefined): Multiplied {
  const isGemm = node.op === 'Gemm'
  const [alpha, beta] = isGemm ? [attributeOf(node, 'alpha', 1), attributeOf(node, 'beta', 1)] : [1, 1]
  const across = isGemm && attributeOf(node, 'transB', 0) === 1
  const [rows, columns] = (across ? weight.shape : weight.shape.toReversed()) as [number, number]
  const byRow = across ? weight.data : turned(weight.data, columns, rows)
  const scaled = alpha === 1 ? byRow : byRow.map(value => value * alpha)
  const quantised = quantiseWeights({ shape: [rows, columns], data: scaled }, undefined, 1)
  const data = turned(quantised.data, rows, columns)
  return { weights: { ...quantised, data }, shape: [columns, rows], bias: bias && bias.data.map(value => value * beta) }
}

/** A value in uint8, with the names of its scale and zero point. */
interface Quantised {
  readonly value: string
  readonly scale: string
  readonly zero: string
}

/** Nodes of a file in int8: each value is float32 or uint8, and is converted where another form is first read. */
class Int8Rewriter {
  private readonly nodes: NodeDef[] = []
  private readonly added: TensorDef[] = []
  private readonly constants = new Set<string>()
  /** Values that exist in uint8. */
  private readonly quantised = new Map<string, Quantised>()
  /** Those of them that were computed so: their float32 is made from it. */
  private readonly computed = new Set<string>()

  constructor(
    private readonly plan: Int8Plan,
    private readonly ranges: ReadonlyMap<string, Range>,
    private readonly tensors: ReadonlyMap<string, Tensor>,
    private readonly outputs: readonly string[],
  ) {}

  rewrite(nodes: readonly NodeDef[]): Repaired {
    for (const node of nodes) this.add(node)
    for (const output of this.outputs) this.inFloat(output)
    return { nodes: this.nodes, added: this.added }
  }

  private add(node: NodeDef): void {
    const [output = ''] = node.outputs
    const planned = this.plan.nodes.get(output)
    // The clipping behind a convolution was done by it.
    if (this.computed.has(output)) return
    if (planned?.kind === 'conv') return this.convolution(planned)
    if (planned !== undefined) return this.product(planned)
    if (this.plan.passes(node) && this.computed.has(node.inputs[0]!)) {
      const source = this.quantised.get(node.inputs[0]!)!
      const value = `${prefix}/${output}`
      this.nodes.push({ ...node, inputs: [source.value], outputs: [value] })
      this.bind(output, { ...source, value })
      return
    }
    for (const name of namesTaken(node)) this.inFloat(name)
    this.nodes.push(node)
  }

  private bind(name: string, quantised: Quantised): void {
    this.quantised.set(name, quantised)
    this.computed.add(name)
  }

  private readonly floats = new Set<string>()

  /** Sees to it that a value is there in float32. */
  private inFloat(name: string): void {
    if (!this.computed.has(name) || this.floats.has(name)) return
    this.floats.add(name)
    const { value, scale, zero } = this.quantised.get(name)!
    this.nodes.push(plainNode('DequantizeLinear', [value, scale, zero], name))
  }

  private inInt8(name: string): Quantised {
    const known = this.quantised.get(name)
    if (known !== undefined) return known
    const made = this.target(`${prefix}/${name}`, name)
    this.nodes.push(plainNode('QuantizeLinear', [name, made.scale, made.zero], made.value))
    this.quantised.set(name, made)
    return made
  }

  private range(name: string): Range {
    const range = this.ranges.get(this.plan.rangeOf(name))
    if (range !== undefined) return range
    throw new LayermillError('CALIBRATION_INVALID', `the calibration has no range of ${name}: it is of another file or of other layers`)
  }

  private target(value: string, name: string): Quantised {
    const { scale, zeroPoint } = activationQuantiser(this.range(name))
    const point = this.plan.rangeOf(name)
    return {
      value,
      scale: this.constant(`${prefix}/${point}/scale`, float, [], Float32Array.of(scale)),
      zero: this.constant(`${prefix}/${point}/zero`, uint8, [], Uint8Array.of(zeroPoint)),
    }
  }

  private constant(name: string, type: number, dims: readonly number[], data: ArrayBufferView): string {
    if (this.constants.has(name)) return name
    this.constants.add(name)
    this.added.push(rawTensor(name, type, dims, data))
    return name
  }

  private convolution({ node, clipped, tensors }: Int8Node): void {
    const [output = ''] = node.outputs
    const { scale } = activationQuantiser(this.range(node.inputs[0]!))
    const source = this.inInt8(node.inputs[0]!)
    const weight = this.tensors.get(tensors[0]!)!
    const bias = tensors[1] === undefined ? undefined : this.tensors.get(tensors[1])!.data
    const { data, scales, bias: biases } = quantiseWeights(weight, bias, scale)
    const at = `${prefix}/${output}`
    const rows = [scales.length]
    const parameters = [
      this.constant(`${at}/W`, int8, weight.shape, data),
      this.constant(`${at}/W/scale`, float, rows, scales),
      this.constant(`${at}/W/zero`, int8, rows, new Int8Array(scales.length)),
    ]
    const shift = bias === undefined ? [] : [this.constant(`${at}/b`, int32, rows, biases)]
    // Before the clipping, a value is only there where it is asked for: with the range that it has then.
    const targets = clipped === undefined ? [output] : [clipped, ...(this.outputs.includes(output) ? [output] : [])]
    for (const name of targets) {
      const made = this.target(`${at}/${name === output ? 'value' : 'clipped'}`, name)
      const inputs = [source.value, source.scale, source.zero, ...parameters, made.scale, made.zero, ...shift]
      this.nodes.push({ ...node, name: made.value, op: 'QLinearConv', inputs, outputs: [made.value] })
      this.bind(name, made)
    }
  }

  private product({ node, tensors }: Int8Node): void {
    const [output = ''] = node.outputs
    const source = this.inInt8(node.inputs[0]!)
    const bias = tensors[1] === undefined ? undefined : this.tensors.get(tensors[1])
    const made = productWeights(node, this.tensors.get(tensors[0]!)!, bias)
    const at = `${prefix}/${output}`
    const columns = [made.weights.scales.length]
    const inputs = [
      source.value,
      this.constant(`${at}/W`, int8, made.shape, made.weights.data),
      source.scale,
      this.constant(`${at}/W/scale`, float, columns, made.weights.scales),
      source.zero,
      this.constant(`${at}/W/zero`, int8, columns, new Int8Array(columns[0]!)),
      ...(made.bias === undefined ? [] : [this.constant(`${at}/b`, float, columns, made.bias)]),
    ]
    this.nodes.push(plainNode('MatMulIntegerToFloat', inputs, output, [], runtimeDomain))
  }
}

/**
 * A rewriting that makes a cut of a file compute in int8. Its weights are read here, once.
 * @param ranges by value: those of `Int8Plan.points`
 * @throws LayermillError `CALIBRATION_INVALID` where a range is missing, once the graph is cut; `WEIGHTS_TRUNCATED`
 */
export async function int8Rewrite(
  plan: Int8Plan,
  ranges: ReadonlyMap<string, Range>,
  values: readonly string[],
): Promise<NonNullable<CutOptions['rewrite']>> {
  const tensors = new Map<string, Tensor>()
  for (const name of plan.neededBy(values).flatMap(node => node.tensors))
    if (!tensors.has(name)) tensors.set(name, await plan.model.tensor(name))
  return nodes => new Int8Rewriter(plan, ranges, tensors, values).rewrite(nodes)
}
