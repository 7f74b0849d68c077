import type { Graph } from '../read/normalise.js'
import { bool, float, int64, int8, uint8, int32, type ValueDef } from '../types.js'
import { evaluate, shapeRange } from './evaluate.js'
import { axisOf, broadcast, type Context, dimsOf, type Info, int, numbersOf, type Size, unknown } from './info.js'
import {
  expanded,
  flattened,
  gathered,
  gemm,
  joined,
  multiplied,
  padded,
  reduced,
  reducedTo,
  reshaped,
  resized,
  sliced,
  split,
  squeezed,
  tiled,
  transposed,
  unsqueezed,
} from './moves.js'
import { centred, einsum, folded, fourier, grid, pooledRegions, recurrent } from './rarer.js'
import {
  blockedDomain,
  fusedProduct,
  gatheredRows,
  halved,
  multiHeadAttention,
  packedAttention,
  packedProduct,
  unblocked,
} from './runtime.js'
import { convDims, poolDims, transposedConvDims } from './windows.js'
import { controls, infoOf } from './within.js'

type Dims = readonly Size[] | undefined
type Rule = (context: Context) => Dims

const same: Rule = context => dimsOf(context, 0)
const broadcasted: Rule = ({ inputs }) => broadcast(inputs.map(({ dims }) => dims))
const globalPool: Rule = context => dimsOf(context, 0)?.map((size, i) => (i < 2 ? size : 1))

function arg(context: Context): Dims {
  const from = dimsOf(context, 0)
  return from && reducedTo(from, [axisOf(int(context, 'axis', 0), from.length)], int(context, 'keepdims', 1) === 1)
}

function blocks(context: Context, factor: number): Dims {
  const dims = dimsOf(context, 0)
  if (dims?.length !== 4) return undefined
  const [count, channels, height, width] = dims
  const scale = (size: Size, by: number): Size => (size === undefined ? undefined : Math.floor(size * by))
  return [count, scale(channels, 1 / factor ** 2), scale(height, factor), scale(width, factor)]
}

function topK(context: Context): Dims {
  const from = dimsOf(context, 0)
  const k = int(context, 'k', -1) >= 0 ? int(context, 'k', -1) : numbersOf(context, 1)?.[0]
  return from?.map((size, i) => (i === axisOf(int(context, 'axis', -1), from.length) ? k : size))
}

function gatherNd(context: Context): Dims {
  const from = dimsOf(context, 0)
  const at = dimsOf(context, 1)
  const depth = at?.at(-1)
  if (from === undefined || at === undefined || depth === undefined) return undefined
  return [...at.slice(0, -1), ...from.slice(int(context, 'batch_dims', 0) + depth)]
}

function attention(context: Context): Dims {
  if (context.node.domain !== '') return packedAttention(context)
  const query = dimsOf(context, 0)
  const value = dimsOf(context, 2)
  if (query === undefined || value === undefined) return undefined
  if (query.length === 4) return [...query.slice(0, 3), value[3]]
  const heads = int(context, 'q_num_heads', 0)
  const valueHeads = int(context, 'kv_num_heads', heads)
  return [query[0], query[1], value[2] === undefined || valueHeads === 0 ? undefined : (value[2] / valueHeads) * heads]
}

function shapeLength(context: Context): Dims {
  const from = dimsOf(context, 0)
  if (from === undefined) return undefined
  const [first, end] = shapeRange(context, from.length)
  return [Math.max(0, end - first)]
}

const list = (names: string, rule: Rule): [string, Rule][] => names.split(' ').map(name => [name, rule])

/** Shapes of the first output, by operator. */
const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...list(
    'Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Mish Gelu FastGelu QuickGelu Silu Swish Erf Exp Log',
    same,
  ),
  ...list(
    'Sqrt Neg Abs Floor Ceil Round Sign Reciprocal Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Not IsNaN IsInf Clip Identity',
    same,
  ),
  ...list(
    'Softmax LogSoftmax Hardmax BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization',
    same,
  ),
  ...list(
    'SimplifiedLayerNormalization LRN LpNormalization MeanVarianceNormalization Dropout Cast CastLike QuantizeLinear DequantizeLinear',
    same,
  ),
  ...list(
    'DynamicQuantizeLinear CumSum Trilu ScatterND ScatterElements Scatter ThresholdedRelu Shrink RotaryEmbedding Bernoulli ReverseSequence',
    same,
  ),
  ...list('SkipLayerNormalization EmbedLayerNormalization BiasGelu PRelu EyeLike RandomNormalLike RandomUniformLike QuickGelu', same),
  ...list('SkipSimplifiedLayerNormalization BiasAdd GroupNorm SkipGroupNorm CumProd BitwiseNot ReorderInput', same),
  ...list(
    'Add Sub Mul Div Mod Pow Max Min Sum Mean And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual Where BitShift BitwiseAnd BitwiseOr',
    broadcasted,
  ),
  ...list('GlobalAveragePool GlobalMaxPool GlobalLpPool', globalPool),
  ...list('MaxPool AveragePool LpPool', poolDims),
  ['BitwiseXor', broadcasted],
  ...list('Conv FusedConv ConvInteger DeformConv', context => convDims(context)),
  ['QLinearConv', context => convDims(context, 3)],
  ['ConvTranspose', transposedConvDims],
  ...list('Gemm FusedGemm', gemm),
  ['FusedMatMul', fusedProduct],
  ...list('MatMulNBits MatMulBnb4', packedProduct),
  ...list('MatMul MatMulInteger', context => multiplied(dimsOf(context, 0), dimsOf(context, 1))),
  ['QLinearMatMul', context => multiplied(dimsOf(context, 0), dimsOf(context, 3))],
  ...list('QLinearAdd QLinearMul', context => broadcast([dimsOf(context, 0), dimsOf(context, 3)])),
  ...list('QLinearSigmoid QLinearLeakyRelu QLinearSoftmax', same),
  ['QLinearGlobalAveragePool', globalPool],
  ['QLinearAveragePool', poolDims],
  ['QGemm', context => gemm({ ...context, inputs: [context.inputs[0] ?? unknown, context.inputs[3] ?? unknown] })],
  ['QLinearConcat', context => joined({ ...context, inputs: context.inputs.slice(2).filter((_, i) => i % 3 === 0) })],
  ...list('DynamicQuantizeMatMul MatMulIntegerToFloat', context => multiplied(dimsOf(context, 0), dimsOf(context, 1))),
  ['Flatten', flattened],
  ['Reshape', reshaped],
  ['Transpose', transposed],
  ['Concat', joined],
  ['Slice', sliced],
  ['Gather', gathered],
  ['GatherElements', context => dimsOf(context, 1)],
  ['GatherND', gatherNd],
  ['Squeeze', squeezed],
  ['Unsqueeze', unsqueezed],
  ['Expand', expanded],
  ['Tile', tiled],
  ['Pad', padded],
  ...list('Resize Upsample', resized),
  ...list('ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare', reduced),
  ...list('ArgMax ArgMin', arg),
  ['TopK', topK],
  ['Shape', shapeLength],
  ['Size', () => []],
  ['ConstantOfShape', context => numbersOf(context, 0)],
  ['Range', context => [rangeLength(context)]],
  ['DepthToSpace', context => blocks(context, int(context, 'blocksize', 1))],
  ['SpaceToDepth', context => blocks(context, 1 / int(context, 'blocksize', 1))],
  ['Einsum', einsum],
  ['Attention', attention],
  ['QAttention', packedAttention],
  ['MultiHeadAttention', multiHeadAttention],
  ['BiasSplitGelu', halved],
  ['GatherBlockQuantized', gatheredRows],
  ['ReorderOutput', unblocked],
  ...list('LSTM GRU RNN', context => recurrent(context)[0]),
  ['DFT', fourier],
  ['Col2Im', folded],
  ['AffineGrid', grid],
  ['CenterCropPad', centred],
  ...list('MaxRoiPool RoiAlign', pooledRegions),
  ['Det', context => dimsOf(context, 0)?.slice(0, -2)],
  ['OneHot', context => (dimsOf(context, 0) === undefined ? undefined : [...dimsOf(context, 0)!, numbersOf(context, 1)?.[0]])],
  [
    'GridSample',
    context =>
      dimsOf(context, 1) === undefined
        ? undefined
        : [dimsOf(context, 0)?.[0], dimsOf(context, 0)?.[1], ...dimsOf(context, 1)!.slice(1, -1)],
  ],
])

function rangeLength(context: Context): Size {
  const [start, limit, step] = [0, 1, 2].map(i => numbersOf(context, i)?.[0])
  return start === undefined || limit === undefined || step === undefined ? undefined : Math.max(0, Math.ceil((limit - start) / step))
}

const logical = new Set('Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsNaN IsInf'.split(' '))
const indices = new Set('Shape Size ArgMax ArgMin NonZero'.split(' '))

/** The element type of the first output. */
function typeOf(context: Context): number {
  const { node, inputs } = context
  const first = inputs[0]?.type ?? 0
  if (logical.has(node.op)) return bool
  if (indices.has(node.op)) return int64
  switch (node.op) {
    case 'Cast':
      return int(context, 'to', 0)
    case 'CastLike':
      return inputs[1]?.type ?? 0
    case 'Where':
      return inputs[1]?.type ?? 0
    case 'ConstantOfShape':
      return node.attributes.get('value')?.tensor?.type ?? float
    case 'DequantizeLinear':
      return int(context, 'output_dtype', 0) || (inputs[1]?.type ?? float)
    case 'QuantizeLinear':
      return int(context, 'output_dtype', 0) || (inputs[2]?.type ?? uint8)
    case 'DynamicQuantizeLinear':
      return uint8
    case 'ConvInteger':
    case 'MatMulInteger':
      return int32
    case 'QLinearConv':
    case 'QLinearMatMul':
      return inputs[7]?.type ?? int8
    case 'QGemm':
      return inputs[8]?.type || float
    case 'QLinearConcat':
      return inputs[1]?.type ?? uint8
    case 'DynamicQuantizeMatMul':
    case 'MatMulIntegerToFloat':
      return float
    case 'GatherBlockQuantized':
      return inputs[2]?.type ?? float
    case 'QAttention':
      return inputs[3]?.type ?? float
    case 'OneHot':
      return inputs[2]?.type ?? 0
    case 'EyeLike':
    case 'RandomNormal':
    case 'RandomUniform':
      return int(context, 'dtype', first || float)
    default:
      return first
  }
}

/** Operators that have the last step behind all. */
const recurrents = new Set(['LSTM', 'GRU', 'RNN'])
/** Operators whose fourth output is what they normalise. */
const skipping = new Set(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'])

const infoWith = (type: number, dims: Dims): Info => ({ type, ...(dims === undefined ? {} : { dims }) })

/** Facts of further outputs. */
function others(context: Context, first: Info, count: number): Info[] {
  const { op } = context.node
  if (recurrents.has(op)) {
    const last = infoWith(first.type, recurrent(context)[1])
    return [first, ...Array.from({ length: count - 1 }, () => last)]
  }
  if (op === 'Split') return split(context).map(dims => infoWith(first.type, dims))
  return [
    first,
    ...Array.from({ length: count - 1 }, (_, i): Info => {
      if (op === 'TopK') return { ...first, type: int64 }
      if (op === 'MaxPool') return infoWith(int64, first.dims)
      if (op === 'Dropout') return infoWith(context.opset < 10 ? first.type : bool, first.dims)
      if (skipping.has(op) && i === 2) return first
      if (op === 'DynamicQuantizeLinear') return { type: i === 0 ? float : uint8, dims: [] }
      return { type: op.endsWith('Normalization') ? first.type : 0 }
    }),
  ]
}

const ownDomains = new Set(['', 'com.microsoft', blockedDomain])

/** All that is known of a node's outputs. */
export function inferNode(context: Context): Info[] {
  const { node } = context
  const control = node.domain === '' ? controls.get(node.op) : undefined
  if (control !== undefined) return control(context, inferNode)
  const count = node.outputs.length
  const rule = ownDomains.has(node.domain) ? rules.get(node.op) : undefined
  if (rule === undefined && node.op !== 'Split') {
    const type = ownDomains.has(node.domain) && node.attributes.size === 0 ? typeOf(context) : 0
    return Array.from({ length: count }, () => ({ type }))
  }
  const type = typeOf(context)
  const dims = node.op === 'Split' ? undefined : rule!(context)
  const numbers = evaluate(context, type)
  const first: Info = { type, ...(dims === undefined ? {} : { dims }), ...(numbers === undefined ? {} : { numbers }) }
  return others(context, first, count)
}

/** Facts that the file itself gives of a value, for the sizes that its names of dimensions stand for. */
function declared(value: ValueDef | undefined, named: ReadonlyMap<string, number>): Info {
  if (value === undefined) return unknown
  const dims = value.shape?.map(dim => (typeof dim === 'number' ? dim : named.get(dim)))
  return { type: value.type, ...(dims === undefined ? {} : { dims }) }
}

/** Keeps what was inferred; what was not, as the file says it. */
function merged(inferred: Info, said: Info): Info {
  const rank = inferred.dims?.length ?? said.dims?.length
  const fits = said.dims?.length === rank
  const dims = inferred.dims === undefined ? said.dims : inferred.dims.map((size, i) => size ?? (fits ? said.dims?.[i] : undefined))
  return { ...inferred, type: inferred.type === 0 ? said.type : inferred.type, ...(dims === undefined ? {} : { dims }) }
}

/**
 * Element types and shapes of all values, for inputs of these shapes. Exact where sizes follow from shapes alone; a size that depends on
 * numbers of the input is left open.
 * @param given shapes of the inputs
 * @param trustFile whether sizes that the file states are taken where nothing else is known: not for another size than the file is for
 */
export function inferValues(
  graph: Graph,
  opset: number,
  given: ReadonlyMap<string, readonly Size[]>,
  trustFile: boolean,
): Map<string, Info> {
  const values = new Map<string, Info>()
  for (const tensor of graph.initializers.values()) values.set(tensor.name, infoOf(tensor))
  const named = new Map<string, number>()
  for (const { name, shape } of graph.inputs) {
    shape?.forEach((dim, i) => {
      const size = given.get(name)?.[i]
      if (typeof dim === 'string' && dim !== '' && size !== undefined) named.set(dim, size)
    })
  }
  for (const input of graph.inputs) {
    const dims = given.get(input.name) ?? declared(input, named).dims
    values.set(input.name, { type: input.type, ...(dims === undefined ? {} : { dims }) })
  }
  for (const input of graph.defaulted) if (given.has(input.name)) values.set(input.name, { type: input.type, dims: given.get(input.name)! })
  const said = new Map([...graph.values, ...graph.outputs.map(output => [output.name, output] as const)])
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(name => values.get(name) ?? unknown)
    const known = inferNode({ node, inputs, opset, scope: name => values.get(name) })
    node.outputs.forEach((name, i) => {
      const value = said.get(name)
      const info = known[i] ?? unknown
      values.set(name, trustFile ? merged(info, declared(value, named)) : { ...info, type: info.type || (value?.type ?? 0) })
    })
  }
  return values
}
