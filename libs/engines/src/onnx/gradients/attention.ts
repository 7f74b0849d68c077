import { int } from '../graph.js'
import type { GradientNode, GradientRule } from './context.js'
import { composed, given, type Parts } from './parts.js'

/** [images, tokens, heads x size] as [images, heads, tokens, size]. */
function headed(value: string, heads: number, parts: Parts): string {
  const [images, tokens, width] = parts.dims(value)
  const size = width === undefined ? undefined : width / heads
  return parts.transpose(parts.reshape(value, [0, 0, heads, -1], [images, tokens, heads, size]), 0, 2, 1, 3)
}

/** [images, heads, tokens, size] as [images, tokens, heads x size]. */
function joined(value: string, parts: Parts): string {
  const [images, heads, tokens, size] = parts.dims(value)
  const width = heads === undefined || size === undefined ? undefined : heads * size
  return parts.reshape(parts.transpose(value, 0, 2, 1, 3), [0, 0, -1], [images, tokens, width])
}

interface Attended {
  readonly query: string
  readonly key: string
  readonly value: string
  /** Default: one over the root of a head's size. */
  readonly scale: number
  /** Added before the softmax. */
  readonly bias?: string | undefined
  /** Each query sees the keys up to its own place. */
  readonly causal?: boolean
  readonly softcap?: number
}

/** Softmax of (query x key * scale + bias), times the values. */
function attended({ query, key, value, scale, bias, causal = false, softcap = 0 }: Attended, parts: Parts): string {
  const size = parts.dims(query).at(-1)
  if (size === undefined) throw new RangeError('attention of heads whose size is not known has no gradient here')
  const product = parts.matMul(query, parts.transpose(key, 0, 1, 3, 2))
  const scaled = parts.two('Mul', product, scale === 0 ? 1 / Math.sqrt(size) : scale)
  const capped = softcap === 0 ? scaled : parts.two('Mul', parts.one('Tanh', parts.two('Mul', scaled, 1 / softcap)), softcap)
  const biased = bias === undefined ? capped : parts.two('Add', capped, bias)
  const seen = causal ? parts.two('Add', biased, future(biased, parts)) : biased
  return parts.matMul(parts.one('Softmax', seen, { axis: int(-1) }), value)
}

/** A large negative number for each key behind a query. */
function future(scores: string, parts: Parts): string {
  const { context } = parts
  const shape = context.slice(context.shapeOf(scores), [2], [4], [0])
  const ones = context.op('Expand', [context.number(-1e30), shape])
  const made = context.op('Trilu', [ones, context.scalar(1)], { upper: int(1) })
  context.know(made, parts.dims(scores).slice(2), false)
  return made
}

/** A mask of truths as one that is added. */
function additive(mask: string | undefined, parts: Parts): string | undefined {
  const { context } = parts
  if (mask === undefined || !context.isLogical(mask)) return mask
  const made = context.op('Where', [mask, context.number(0), context.number(-1e30)])
  context.know(made, context.dims(mask), false)
  return made
}

/** Keys or values of fewer heads than there are of queries, each for as many. */
function repeated(value: string, heads: number, parts: Parts): string {
  const [images, own, tokens, size] = parts.dims(value)
  if (own === heads || own === undefined) return value
  if (size === undefined) throw new RangeError('attention of heads whose size is not known has no gradient here')
  const times = heads / own
  const apart = parts.op('Unsqueeze', [value, parts.context.ints(2)], [images, own, 1, tokens, size])
  const wide = parts.op('Expand', [apart, parts.context.ints(1, 1, times, 1, 1)], [images, own, times, tokens, size])
  return parts.reshape(wide, [0, heads, -1, size], [images, heads, tokens, size])
}

/** ONNX's own, of set 23. */
const attention = composed((node, parts) => {
  if (given(node, 4) !== undefined || given(node, 6) !== undefined) throw new RangeError('attention with a past has no gradient here')
  const flat = parts.dims(node.inputs[0]!).length === 3
  const heads = node.int('q_num_heads', 0)
  const own = node.int('kv_num_heads', heads)
  const [query, key, value] = node.inputs.slice(0, 3).map((input, i) => (flat ? headed(input, i === 0 ? heads : own, parts) : input))
  const count = parts.dims(query!)[1]!
  const result = attended(
    {
      query: query!,
      key: repeated(key!, count, parts),
      value: repeated(value!, count, parts),
      scale: node.float('scale', 0),
      bias: additive(given(node, 3), parts),
      causal: node.int('is_causal', 0) === 1,
      softcap: node.float('softcap', 0),
    },
    parts,
  )
  return flat ? joined(result, parts) : result
})

function refuse(node: GradientNode, inputs: readonly number[], name: string): void {
  if (inputs.some(input => given(node, input) !== undefined)) throw new RangeError(`${name} with a mask or a past has no gradient here`)
}

/** ONNX Runtime's, with the products that make queries, keys and values. */
const packedAttention = composed((node, parts) => {
  refuse(node, [3, 4, 6], 'Attention')
  const [source, weight, bias] = node.inputs as [string, string, string]
  const product = parts.matMul(source, weight)
  const all = given(node, 2) === undefined ? product : parts.two('Add', product, bias)
  const width = parts.context.known(weight, 1)
  const widths = node.ints('qkv_hidden_sizes') ?? [width / 3, width / 3, width / 3]
  const heads = node.int('num_heads', 1)
  let start = 0
  const [query, key, value] = widths.map(each => {
    const piece = parts.slice(all, 2, start, start + each)
    start += each
    return headed(piece, heads, parts)
  })
  const settings = { scale: node.float('scale', 0), bias: given(node, 5), causal: node.int('unidirectional', 0) === 1 }
  return joined(attended({ query: query!, key: key!, value: value!, ...settings }, parts), parts)
})

/** ONNX Runtime's, of queries, keys and values; these two may have heads already. */
const multiHead = composed((node, parts) => {
  refuse(node, [4, 6, 7], 'MultiHeadAttention')
  const heads = node.int('num_heads', 1)
  const [query, key, value] = [0, 1, 2].map(i => given(node, i))
  if (query === undefined || key === undefined || value === undefined || parts.dims(query).length !== 3)
    throw new RangeError('MultiHeadAttention of packed queries has no gradient here')
  const bias = given(node, 3)
  let start = 0
  const [q, k, v] = [query, key, value].map(input => {
    if (parts.dims(input).length === 4) return input
    if (bias === undefined) return headed(input, heads, parts)
    const width = parts.context.known(input, 2)
    const own = parts.slice(bias, 0, start, start + width)
    start += width
    return headed(parts.two('Add', input, own), heads, parts)
  })
  const settings = { scale: node.float('scale', 0), bias: given(node, 5), causal: node.int('unidirectional', 0) === 1 }
  return joined(attended({ query: q!, key: k!, value: v!, ...settings }, parts), parts)
})

/** Rules of attention. */
export const attentionRules: Readonly<Record<string, GradientRule>> = {
  Attention: attention,
  'com.microsoft.Attention': packedAttention,
  'com.microsoft.MultiHeadAttention': multiHead,
}
