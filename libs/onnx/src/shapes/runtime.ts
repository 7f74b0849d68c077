/** Shapes of the operators that ONNX Runtime has beside ONNX's: those that its optimizers and quantizers write. */
import type { Graph } from '../read/normalise.js'
import { axisOf, type Context, dimsOf, int, ints, product, type Size } from './info.js'
import { multiplied } from './moves.js'

type Dims = readonly Size[] | undefined

/** Domain of convolutions whose channels lie in blocks. */
export const blockedDomain = 'com.microsoft.nchwc'

/** Weights of 4 or 8 bits, packed: their shape is in attributes. */
export function packedProduct(context: Context): Dims {
  const from = dimsOf(context, 0)
  return from === undefined ? undefined : [...from.slice(0, -1), context.node.attributes.get('N')?.numbers[0]]
}

/** Products of matrices that are transposed on the way. */
export function fusedProduct(context: Context): Dims {
  const turned = (i: number, flag: string): Dims => {
    const dims = dimsOf(context, i)
    if (dims === undefined || int(context, flag, 0) === 0 || dims.length < 2) return dims
    return [...dims.slice(0, -2), dims.at(-1), dims.at(-2)]
  }
  if (int(context, 'transBatchA', 0) === 1 || int(context, 'transBatchB', 0) === 1) return undefined
  return multiplied(turned(0, 'transA'), turned(1, 'transB'))
}

/** Attention with the weights of its three products in one. */
export function packedAttention(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from?.length !== 3) return undefined
  const all = dimsOf(context, 1)?.[1]
  return [from[0], from[1], ints(context, 'qkv_hidden_sizes')?.[2] ?? (all === undefined ? undefined : all / 3)]
}

/** Attention of queries, keys and values; these two may be missing where they are packed into the queries or keys. */
export function multiHeadAttention(context: Context): Dims {
  const [query, key, value] = [0, 1, 2].map(i => (context.node.inputs[i] ? dimsOf(context, i) : undefined))
  if (query?.length === 5) return [query[0], query[1], product([query[2], query[4]])]
  if (query?.length !== 3) return undefined
  if (value?.length === 3) return [query[0], query[1], value[2]]
  if (value?.length === 4) return [query[0], query[1], product([value[1], value[3]])]
  return key?.length === 5 ? [query[0], query[1], product([key[2], key[4]])] : [query[0], query[1], undefined]
}

/** Half of the last dimension is a gate. */
export const halved = (context: Context): Dims =>
  dimsOf(context, 0)?.map((size, i, { length }) => (i === length - 1 && size !== undefined ? size / 2 : size))

/** The plain layout again: channels are what the file says, for blocks may be filled up. */
export function unblocked(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const [count, , ...sides] = from
  const channels = int(context, 'channels', 0) || undefined
  return int(context, 'channels_last', 0) === 1 ? [count, ...sides, channels] : [count, channels, ...sides]
}

/** Numbers gathered from rows that are kept in 4 or 8 bits. */
export function gatheredRows(context: Context): Dims {
  const from = dimsOf(context, 0)
  const at = dimsOf(context, 1)
  if (from === undefined || at === undefined) return undefined
  const axis = axisOf(int(context, 'gather_axis', 0), from.length)
  // Two numbers of 4 bits in each byte.
  const packed = context.inputs[0]?.type === 2 ? 8 / int(context, 'bits', 4) : 1
  const sides = from.map((size, i) => (i === from.length - 1 && size !== undefined ? size * packed : size))
  return [...sides.slice(0, axis), ...at, ...sides.slice(axis + 1)]
}

/** Values of a graph whose channels lie in blocks, as one kind of processor wants them: their numbers are in no order that others know. */
export function blockedValues(graph: Graph): Set<string> {
  const blocked = new Set<string>()
  for (const { op, domain, inputs, outputs } of graph.nodes) {
    if (domain === blockedDomain ? op !== 'ReorderOutput' : inputs.some(name => blocked.has(name)))
      for (const name of outputs) blocked.add(name)
  }
  return blocked
}
