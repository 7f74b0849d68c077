import { elementCount, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import type { GraphNode, NodeOf } from '@layermill/models'

export interface FoldOptions {
  /** Nodes whose values are asked for: they cannot be folded away. */
  readonly outputs: ReadonlySet<string>
  /** The convolutions' weights may be overwritten instead of copied: they are nobody else's. */
  readonly inPlace: boolean
}

interface Folded {
  readonly nodes: GraphNode[]
  readonly weights: TensorMap
}

type Affine = { readonly scale: Float64Array; readonly shift: Float64Array }

function required(weights: TensorMap, name: string): Tensor {
  const tensor = weights.get(name)
  if (tensor === undefined) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
  return tensor
}

/** Batch norm with stored statistics as scale and shift of each channel, in float64. */
function affine(node: NodeOf<'batchNorm'>, weights: TensorMap): Affine {
  const gamma = required(weights, node.parameters.gamma).data
  const beta = required(weights, node.parameters.beta).data
  const mean = required(weights, node.parameters.mean).data
  const variance = required(weights, node.parameters.variance).data
  const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt(variance[c]! + node.attributes.epsilon))
  return { scale, shift: Float64Array.from(beta, (value, c) => value - mean[c]! * scale[c]!) }
}

/** One product per weight in float64, rounded once. */
function scaleRows(weight: Tensor, scale: Float64Array, inPlace: boolean): Tensor {
  const data = inPlace ? weight.data : new Float32Array(weight.data.length)
  const row = elementCount(weight.shape.slice(1))
  for (let c = 0, i = 0; c < scale.length; c++) {
    const factor = scale[c]!
    for (const end = i + row; i < end; i++) data[i] = weight.data[i]! * factor
  }
  return { shape: weight.shape, data }
}

/** How many nodes read each node's value, and each parameter. */
function countReaders(nodes: readonly GraphNode[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { inputs, parameters } of nodes) {
    for (const name of [...inputs, ...Object.values<string>(parameters ?? {})]) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/**
 * Folds each batch norm into the convolution before it, where nothing else reads that convolution's value or weights. The convolution takes
 * the batch norm's name. The given nodes are left as they are, and the weights too unless `inPlace`.
 */
export function foldBatchNorm(nodes: readonly GraphNode[], weights: TensorMap, { outputs, inPlace }: FoldOptions): Folded {
  const readers = countReaders(nodes)
  const foldable = (conv: NodeOf<'conv'>) =>
    !outputs.has(conv.name) && [conv.name, ...Object.values(conv.parameters)].every(name => readers.get(name) === 1)
  const folded = new Map(weights)
  const byName = new Map(nodes.map(node => [node.name, node]))
  const result = new Map<string, GraphNode>()
  for (const node of nodes) {
    const before = byName.get(node.inputs[0] ?? '')
    if (node.op !== 'batchNorm' || before?.op !== 'conv' || !foldable(before)) {
      result.set(node.name, node)
      continue
    }
    const { scale, shift } = affine(node, weights)
    const { weight, bias } = before.parameters
    const oldBias = bias === undefined ? undefined : required(weights, bias).data
    const newBias = Float32Array.from(shift, (value, c) => value + (oldBias === undefined ? 0 : oldBias[c]! * scale[c]!))
    const names = { weight: `${node.name}/folded/W`, bias: `${node.name}/folded/b` }
    folded.set(names.weight, scaleRows(required(folded, weight), scale, inPlace))
    folded.set(names.bias, { shape: [newBias.length], data: newBias })
    for (const gone of [weight, bias, ...Object.values(node.parameters)]) if (gone !== undefined) folded.delete(gone)
    result.delete(before.name)
    result.set(node.name, { ...before, name: node.name, parameters: names })
  }
  return { nodes: [...result.values()], weights: folded }
}
