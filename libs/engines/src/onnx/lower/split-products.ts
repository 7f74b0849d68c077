import type { Tensor } from '@layermill/core'
import { int, type OnnxGraph, type OnnxInitializer, type OnnxNode } from '../graph.js'

/** Most bytes of a matrix of weights that is given to the runtime in one piece. */
const mostBytes = 40 * 2 ** 20
/** Rows of a piece are a multiple of this: of the columns that the runtime's products compute at once, on any CPU. */
const multiple = 64

function floats(tensor: OnnxInitializer | undefined): Tensor | undefined {
  return tensor?.type === 'float32' ? tensor : undefined
}

/** One product as several, each of some of the outputs, whose results are joined; undefined where it is small or of another kind. */
function pieces(node: OnnxNode, initializers: Map<string, OnnxInitializer>, pieceBytes: number): OnnxNode[] | undefined {
  const [input, weightName, biasName] = node.inputs
  const weight = floats(initializers.get(weightName ?? ''))
  const bias = floats(initializers.get(biasName ?? ''))
  const transB = node.attributes?.['transB']
  if (node.op !== 'Gemm' || weight === undefined || bias === undefined || transB?.value !== 1) return undefined
  const [rows, columns] = weight.shape as [number, number]
  const rowBytes = columns * Float32Array.BYTES_PER_ELEMENT
  const perPiece = Math.max(multiple, Math.floor(pieceBytes / rowBytes / multiple) * multiple)
  if (rows * rowBytes <= pieceBytes || rows <= perPiece) return undefined
  const [output] = node.outputs
  const products: OnnxNode[] = []
  for (let start = 0; start < rows; start += perPiece) {
    const end = Math.min(rows, start + perPiece)
    const name = `${output!}/rows-${start}`
    initializers.set(`${name}/W`, {
      type: 'float32',
      shape: [end - start, columns],
      data: weight.data.subarray(start * columns, end * columns),
    })
    initializers.set(`${name}/b`, { type: 'float32', shape: [end - start], data: bias.data.subarray(start, end) })
    products.push({ ...node, inputs: [input!, `${name}/W`, `${name}/b`], outputs: [name] })
  }
  const joined = { op: 'Concat', inputs: products.flatMap(({ outputs }) => outputs), outputs: [output!], attributes: { axis: int(1) } }
  return [...products, joined]
}

/**
 * A graph whose large fully connected layers are computed in pieces, each of some outputs. The runtime holds a matrix of weights twice
 * while it puts it into the order that it computes in: once as it was given and once in that order. Of a matrix in pieces it holds one
 * piece twice: 40 MB of VGG16's first such layer instead of 411 MB. Each output is the same sum in the same order, so the bits are the
 * same.
 */
export function splitProducts(graph: OnnxGraph, pieceBytes = mostBytes): OnnxGraph {
  const initializers = new Map(graph.initializers)
  const split = graph.nodes.map(node => ({ node, products: pieces(node, initializers, pieceBytes) }))
  if (split.every(({ products }) => products === undefined)) return graph
  const nodes = split.flatMap(({ node, products }) => products ?? [node])
  const read = new Set(nodes.flatMap(({ inputs }) => inputs))
  for (const name of initializers.keys()) if (!read.has(name)) initializers.delete(name)
  return { ...graph, nodes, initializers }
}
