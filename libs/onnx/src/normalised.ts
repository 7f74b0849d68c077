import type { Graph } from './read/normalise.js'
import { smallNumbers } from './read/parse-tensor.js'

/** Range of pixels that a graph takes where it normalises them itself. */
export type OwnNormalisation = '0..255' | '0..1'

const passing = new Set(['Cast', 'Transpose', 'Identity'])

/** A factor this small brings 0..255 to about one; 1 / 0.225, the largest usual one of 0..1, is 4.4. */
const mostFactorOfBytes = 0.1

/**
 * Whether a graph begins by normalising its images: arithmetic with one number, or one a channel, before anything else. Undefined where it
 * does not. Scaling alone (1 / 255) counts as well.
 */
export function ownNormalisation(graph: Graph, image: string): OwnNormalisation | undefined {
  let value = image
  let factor = 1
  let found = false
  for (let step = 0; step < 16; step++) {
    const consumers = graph.consumers.get(value) ?? []
    const node = consumers.length === 1 ? graph.nodes[consumers[0]!]! : undefined
    if (node === undefined) break
    if (!passing.has(node.op)) {
      const at = node.inputs.indexOf(value)
      const other = graph.initializers.get(node.inputs[1 - at] ?? '')
      const numbers = other === undefined ? undefined : smallNumbers(other, '')
      if (numbers === undefined || (numbers.length !== 1 && numbers.length !== 3) || !['Add', 'Sub', 'Mul', 'Div'].includes(node.op)) break
      const size = Math.max(...numbers.map(Math.abs))
      if (node.op === 'Mul') factor *= size
      if (node.op === 'Div' && at === 0) factor /= size
      found = true
    }
    value = node.outputs[0] ?? ''
  }
  if (!found) return undefined
  return factor <= mostFactorOfBytes ? '0..255' : '0..1'
}
