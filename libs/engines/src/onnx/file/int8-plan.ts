import { LayermillError } from '@layermill/core'
import { float, needed, type NodeDef, type OnnxModel, rewriteOpset, smallNumbers } from '@layermill/onnx'

/** A node that computes in int8. */
export interface Int8Node {
  readonly kind: 'conv' | 'product'
  readonly node: NodeDef
  /** The value behind it that a convolution gives as well: that of the only node that reads it, which clips at zero. */
  readonly clipped?: string
  /** Tensors that it reads: its weights, and its bias where it has one. */
  readonly tensors: readonly string[]
}

/** Operators whose values are some of their input's. */
const passing = new Set(['MaxPool'])
/** Operators that compute nothing worth telling of. */
const silent = new Set([
  'Identity',
  'Constant',
  'Shape',
  'Reshape',
  'Flatten',
  'Transpose',
  'Gather',
  'Concat',
  'Squeeze',
  'Unsqueeze',
  'Cast',
])
/** MaxPool of uint8 is from version 12 of ONNX's operators. */
const poolOpset = 12

/** Whether a node gives 0 for all below: Relu, or Clip from 0. */
function clipsAtZero({ graph, path }: OnnxModel, { op, domain, inputs, attributes }: NodeDef): boolean {
  if (domain !== '') return false
  if (op === 'Relu') return true
  if (op !== 'Clip') return false
  const bound = graph.initializers.get(inputs[1] ?? '')
  const low = attributes.get('min')?.numbers[0] ?? (bound && smallNumbers(bound, path)?.[0])
  return low === 0
}

/**
 * The nodes of a file that compute in int8, by the value that they give. It is decided on the whole graph, so that a value does not depend
 * on which others are asked for.
 */
export class Int8Plan {
  readonly nodes = new Map<string, Int8Node>()

  constructor(readonly model: OnnxModel) {
    for (const node of model.graph.nodes) {
      const found = this.planned(node)
      if (found !== undefined) this.nodes.set(node.outputs[0]!, found)
    }
  }

  private isWeight(name: string | undefined, rank: number | undefined): boolean {
    const tensor = this.model.graph.initializers.get(name ?? '')
    return tensor?.type === float && (rank === undefined || tensor.dims.length === rank) && !tensor.dims.includes(0)
  }

  private planned(node: NodeDef): Int8Node | undefined {
    const { op, domain, inputs, attributes } = node
    if (domain !== '' || (!this.model.graph.producers.has(inputs[0]!) && inputs[0] !== this.model.image.name)) return undefined
    if (this.model.values().get(inputs[0]!)?.type !== float) return undefined
    const bias = inputs[2] ?? ''
    const tensors = [inputs[1] ?? '', ...(bias === '' ? [] : [bias])]
    if (op === 'MatMul') return this.isWeight(inputs[1], 2) ? { kind: 'product', node, tensors } : undefined
    if (op === 'Gemm') {
      const columns = this.model.graph.initializers.get(tensors[0]!)?.dims[attributes.get('transB')?.numbers[0] === 1 ? 0 : 1]
      const addend = this.model.graph.initializers.get(bias)?.dims
      const fits =
        bias === '' || (this.isWeight(bias, undefined) && addend!.at(-1) === columns && addend!.slice(0, -1).every(size => size === 1))
      return this.isWeight(inputs[1], 2) && fits && (attributes.get('transA')?.numbers[0] ?? 0) === 0
        ? { kind: 'product', node, tensors }
        : undefined
    }
    if (op !== 'Conv' || !this.isWeight(inputs[1], 4) || (bias !== '' && !this.isWeight(bias, 1))) return undefined
    const [reader, ...more] = this.model.graph.consumers.get(node.outputs[0]!) ?? []
    const next = reader === undefined || more.length > 0 ? undefined : this.model.graph.nodes[reader]
    const clips = next !== undefined && next.inputs[0] === node.outputs[0] && clipsAtZero(this.model, next)
    return { kind: 'conv', node, tensors, ...(clips ? { clipped: next.outputs[0]! } : {}) }
  }

  /** Whether a node hands on values in int8 as they are; those of the oldest sets are upgraded. */
  passes({ op, domain, outputs }: NodeDef): boolean {
    return passing.has(op) && domain === '' && outputs.length === 1 && (this.model.opset >= poolOpset || this.model.opset < rewriteOpset)
  }

  /** The value whose range a value is quantised with. */
  rangeOf(value: string): string {
    const node = this.model.graph.nodes[this.model.graph.producers.get(value) ?? -1]
    return node !== undefined && this.passes(node) ? this.rangeOf(node.inputs[0]!) : value
  }

  /** The nodes in int8 that values need. */
  neededBy(values: readonly string[]): Int8Node[] {
    const { graph } = this.model
    return [...needed(graph, values)].flatMap(index => this.nodes.get(graph.nodes[index]!.outputs[0]!) ?? [])
  }

  /**
   * The values whose ranges are needed for these, in the order of the graph.
   * @throws LayermillError `PRECISION_UNAVAILABLE` where nothing that they need computes in int8, naming the operators that there are
   */
  points(values: readonly string[], id: string): string[] {
    const nodes = this.neededBy(values)
    if (nodes.length === 0) throw this.refusal(values, id)
    const points = new Set<string>()
    for (const { kind, node, clipped } of nodes) {
      points.add(this.rangeOf(node.inputs[0]!))
      if (kind === 'product') continue
      points.add(clipped ?? node.outputs[0]!)
      if (clipped !== undefined && values.includes(node.outputs[0]!)) points.add(node.outputs[0]!)
    }
    const { graph, image } = this.model
    return [image.name, ...graph.nodes.flatMap(node => node.outputs)].filter(name => points.has(name))
  }

  private refusal(values: readonly string[], id: string): LayermillError {
    const { graph } = this.model
    const operators = new Set(
      [...needed(graph, values)].flatMap(index => (silent.has(graph.nodes[index]!.op) ? [] : [graph.nodes[index]!.op])),
    )
    const because = `it is computed by ${[...operators].sort().join(', ') || 'nothing'}`
    return new LayermillError('PRECISION_UNAVAILABLE', `${id}: nothing that ${values.join(', ')} needs can compute in int8: ${because}`, {
      hint: 'Conv, MatMul and Gemm with constant weights in float32 can; files in float16 and int8 run as they are, without --precision',
    })
  }
}
