import type { Graph } from './read/normalise.js'
import { smallNumbers } from './read/parse-tensor.js'
import type { NodeDef } from './types.js'

/** Range of pixels that a graph takes where it normalises them itself. */
export type OwnNormalisation = '0..255' | '0..1'

const passing = new Set(['Cast', 'Transpose', 'Identity'])

/** A factor this small brings 0..255 to about one; 1 / 0.225, the largest usual one of 0..1, is 4.4. */
const mostFactorOfBytes = 0.1
/** A shift this large, in units of the image, is no mean of 0..1. */
const leastShiftOfBytes = 2

/** The numbers of a node's input, where it is a constant of a few. */
function constant(graph: Graph, { inputs }: NodeDef, at: number): readonly number[] | undefined {
  const tensor = graph.initializers.get(inputs[at] ?? '')
  return tensor === undefined ? undefined : smallNumbers(tensor, '')
}

/** Whether a node only puts the channels into another order. */
function reorders(graph: Graph, node: NodeDef): boolean {
  if (node.op === 'Gather') return constant(graph, node, 1)?.toSorted().join() === '0,1,2'
  return node.op === 'Slice' && constant(graph, node, 4)?.join() === '-1'
}

/** Whether a node is a batch norm with means of pixels: with smaller ones it may be a layer of its own. */
function takesMeansOfPixels(graph: Graph, node: NodeDef): boolean {
  const means = node.op === 'BatchNormalization' ? constant(graph, node, 3) : undefined
  return means?.length === 3 && Math.max(...means.map(Math.abs)) >= leastShiftOfBytes
}

/**
 * Whether a graph begins by normalising its images: arithmetic with one number, or one a channel, before anything else. Undefined where it
 * does not. Scaling alone (1 / 255) counts as well.
 */
export function ownNormalisation(graph: Graph, image: string): OwnNormalisation | undefined {
  let value = image
  let factor = 1
  let found = false
  let shifted = false
  for (let step = 0; step < 16; step++) {
    const consumers = graph.consumers.get(value) ?? []
    const node = consumers.length === 1 ? graph.nodes[consumers[0]!]! : undefined
    if (node === undefined) break
    if (takesMeansOfPixels(graph, node)) return '0..255'
    if (!passing.has(node.op) && !reorders(graph, node)) {
      const at = node.inputs.indexOf(value)
      const numbers = constant(graph, node, 1 - at)
      if (numbers === undefined || (numbers.length !== 1 && numbers.length !== 3) || !['Add', 'Sub', 'Mul', 'Div'].includes(node.op)) break
      const size = Math.max(...numbers.map(Math.abs))
      if (node.op === 'Add' || node.op === 'Sub') shifted ||= size / factor >= leastShiftOfBytes
      if (node.op === 'Mul') factor *= size
      if (node.op === 'Div' && at === 0) factor /= size
      found = true
    }
    value = node.outputs[0] ?? ''
  }
  if (!found) return undefined
  return shifted || factor <= mostFactorOfBytes ? '0..255' : '0..1'
}
