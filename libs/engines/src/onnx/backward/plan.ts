import type { GraphNode, NodeOf, OpName } from '@layermill/models'

/** A convolution and the batch norm with stored statistics behind it, computed as one convolution. Named after the batch norm. */
export interface ConvBatchNorm {
  readonly name: string
  readonly op: 'convBatchNorm'
  readonly inputs: readonly string[]
  readonly conv: NodeOf<'conv'>
  readonly batchNorm: NodeOf<'batchNorm'>
}

export type TrainingNode = GraphNode | ConvBatchNorm
export type TrainingOp = OpName | 'convBatchNorm'
export type TrainingNodeOf<Op extends TrainingOp> = Extract<TrainingNode, { op: Op }>

/** The parameters that can learn: batch norm's running statistics cannot. */
export function learnable(node: TrainingNode): string[] {
  switch (node.op) {
    case 'convBatchNorm':
      return [...learnable(node.conv), ...learnable(node.batchNorm)]
    case 'batchNorm':
      return [node.parameters.gamma, node.parameters.beta]
    case 'conv':
    case 'linear':
      return Object.values<string | undefined>(node.parameters).filter(name => name !== undefined)
    default:
      return []
  }
}

/** How many nodes read each node's value. */
export function countReaders(nodes: readonly TrainingNode[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { inputs } of nodes) for (const name of inputs) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/**
 * Joins each batch norm with the convolution that only it reads: with stored statistics it is a factor and a summand of each channel,
 * which the weights can carry instead of every activation.
 * @param outputs nodes whose own values are wanted
 * @param fixed whether a batch norm's statistics are stored ones that do not change; by default all are
 */
export function joinBatchNorm(
  nodes: readonly GraphNode[],
  outputs: ReadonlySet<string>,
  fixed: (norm: NodeOf<'batchNorm'>) => boolean = () => true,
): TrainingNode[] {
  const readers = countReaders(nodes)
  const joined = new Map<string, TrainingNode>()
  for (const node of nodes) {
    const before = joined.get(node.inputs[0] ?? '')
    if (node.op === 'batchNorm' && fixed(node) && before?.op === 'conv' && readers.get(before.name) === 1 && !outputs.has(before.name)) {
      joined.delete(before.name)
      joined.set(node.name, { name: node.name, op: 'convBatchNorm', inputs: before.inputs, conv: before, batchNorm: node })
    } else {
      joined.set(node.name, node)
    }
  }
  return [...joined.values()]
}

/** Names of the nodes through which a gradient must pass: those that learn, and all behind them. */
export function nodesWithGradient(nodes: readonly TrainingNode[], trainable: ReadonlySet<string>): Set<string> {
  const names = new Set<string>()
  for (const node of nodes) {
    if (learnable(node).some(name => trainable.has(name)) || node.inputs.some(input => names.has(input))) names.add(node.name)
  }
  return names
}

const keepsDeadZeros: ReadonlySet<TrainingOp> = new Set(['concat', 'maxPool', 'lrn'])

/**
 * Names of the nodes whose values are never negative and whose gradient does not matter where they are 0: ReLU, which stops it there, and
 * what only chooses and scales among such values.
 */
export function deadZeros(nodes: readonly TrainingNode[]): Set<string> {
  const names = new Set<string>()
  for (const { name, op, inputs } of nodes) {
    if (op === 'relu' || (keepsDeadZeros.has(op) && inputs.every(input => names.has(input)))) names.add(name)
  }
  return names
}
