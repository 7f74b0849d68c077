import { floatTensor } from '../read/encode.js'
import type { Graph } from '../read/normalise.js'
import { smallNumbers } from '../read/parse-tensor.js'
import { float, type NodeDef } from '../types.js'
import type { Repaired } from './batch.js'

const name = 'layermill.pad.zero'
/** The smallest number above zero: more than any real one differs by. */
const smallest = 2 ** -149

/** Whether a node pads real numbers with zeros. */
function padsWithZeros(graph: Graph, node: NodeDef | undefined, types: ReadonlyMap<string, { readonly type: number }>): boolean {
  if (node?.op !== 'Pad' || node.domain !== '' || node.attributes.has('pads')) return false
  const mode = node.attributes.get('mode')?.text ?? ''
  if ((mode !== '' && mode !== 'constant') || types.get(node.inputs[0]!)?.type !== float) return false
  const value = node.inputs[2] ?? ''
  const tensor = graph.initializers.get(value)
  return value === '' || (tensor !== undefined && smallNumbers(tensor, '')?.[0] === 0)
}

/**
 * Keeps zeros around a maximum zeros: ONNX Runtime 1.30 joins a padding to the pooling behind it, which then pads with nothing, and gives
 * negative numbers at the border. A number that is not zero keeps it from that.
 */
export function keepZeros({ nodes, added }: Repaired, graph: Graph, types: ReadonlyMap<string, { readonly type: number }>): Repaired {
  const pooled = new Set(nodes.flatMap(({ op, inputs }) => (op === 'MaxPool' ? [inputs[0]!] : [])))
  const kept = nodes.map(node => {
    if (!pooled.has(node.outputs[0]!) || !padsWithZeros(graph, node, types)) return node
    return { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, name, ...node.inputs.slice(3)] }
  })
  const changed = kept.some((node, i) => node !== nodes[i])
  return changed ? { nodes: kept, added: [...added, floatTensor(name, [smallest], [])] } : { nodes, added }
}
