import { floatTensor } from '../read/encode.js'
import type { Graph } from '../read/normalise.js'
import { float, type NodeDef } from '../types.js'
import { plainNode, type Repaired } from './batch.js'

const name = 'layermill.softmax.zero'
/** The smallest number above zero: no share that is rounded to 8 bits is another one with it. */
const smallest = 2 ** -149

/**
 * Keeps a softmax between quantised values in float32, as the file has it: ONNX Runtime 1.30 computes one in 8 bits by a table
 * (QLinearSoftmax), whose results are a step off, and behind each attention more of them. A sum with next to nothing keeps it from that.
 */
export function keepSoftmax({ nodes, added }: Repaired, graph: Graph, types: ReadonlyMap<string, { readonly type: number }>): Repaired {
  const quantised = new Set(nodes.flatMap(({ op, inputs }) => (op === 'QuantizeLinear' ? [inputs[0]!] : [])))
  const producer = (value: string): string | undefined => graph.nodes[graph.producers.get(value) ?? -1]?.op
  const isJoined = ({ op, domain, inputs, outputs }: NodeDef): boolean =>
    op === 'Softmax' &&
    domain === '' &&
    quantised.has(outputs[0]!) &&
    producer(inputs[0]!) === 'DequantizeLinear' &&
    types.get(outputs[0]!)?.type === float
  if (!nodes.some(isJoined)) return { nodes, added }
  const kept = nodes.flatMap(node => {
    if (!isJoined(node)) return [node]
    const [output = ''] = node.outputs
    const own = `${output}/layermill.softmax`
    return [{ ...node, outputs: [own] }, plainNode('Add', [own, name], output)]
  })
  return { nodes: kept, added: [...added, floatTensor(name, [smallest], [])] }
}
