import { int, ints, type OnnxAttribute } from '../graph.js'
import { attentionRules } from './attention.js'
import { axisOf, type GradientNode, type GradientRule } from './context.js'
import { composed, given, type Parts } from './parts.js'

/** Axes from one on. */
const from = (first: number, rank: number): number[] => Array.from({ length: rank - first }, (_, i) => first + i)

/** A vector of channels beside maps of so many sides. */
function perChannel(vector: string, sides: number, parts: Parts): string {
  const ones = Array.from({ length: sides }, () => 1)
  return parts.reshape(vector, [-1, ...ones], [parts.dims(vector)[0], ...ones])
}

/** A factor and a summand of each channel. */
function scaled(value: string, node: GradientNode, parts: Parts): string {
  const sides = parts.dims(value).length - 2
  const product = parts.two('Mul', value, perChannel(node.inputs[1]!, sides, parts))
  return parts.two('Add', product, perChannel(node.inputs[2]!, sides, parts))
}

const instanceNorm = composed((node, parts) => {
  const source = node.inputs[0]!
  return scaled(parts.normal(source, from(2, parts.dims(source).length), node.float('epsilon', 1e-5)), node, parts)
})

/** The numbers of groups of channels, normalised, as [images, groups, numbers]. */
function normalGroups(source: string, groups: number, epsilon: number, parts: Parts): string {
  const [images, ...sides] = parts.dims(source)
  const count = sides.reduce<number | undefined>((a, b) => (a === undefined || b === undefined ? undefined : a * b), 1)
  const grouped = parts.reshape(source, [0, groups, -1], [images, groups, count === undefined ? undefined : count / groups])
  return parts.normal(grouped, [2], epsilon)
}

/** Factors are those of channels, and of groups before set 21. */
const groupNorm = composed((node, parts) => {
  const [source, scale, bias] = node.inputs as [string, string, string]
  const groups = node.int('num_groups', 1)
  const normal = normalGroups(source, groups, node.float('epsilon', 1e-5), parts)
  if (parts.dims(scale)[0] === parts.dims(source)[1]) return scaled(parts.reshapeLike(normal, source), node, parts)
  const product = parts.two('Mul', normal, perChannel(scale, 1, parts))
  return parts.reshapeLike(parts.two('Add', product, perChannel(bias, 1, parts)), source)
})

/** By the root of the mean of squares along the last axes. */
function rootMeanSquare(source: string, scale: string, node: GradientNode, parts: Parts): string {
  const rank = parts.dims(source).length
  const axes = from(axisOf(node.int('axis', -1), rank), rank)
  const root = parts.one('Sqrt', parts.two('Add', parts.mean(parts.two('Mul', source, source), axes), node.float('epsilon', 1e-5)))
  return parts.two('Mul', parts.two('Div', source, root), scale)
}

const rmsNorm = composed((node, parts) => rootMeanSquare(node.inputs[0]!, node.inputs[1]!, node, parts))

/** The sum that a norm is taken of, which is the fourth result. */
function skipped(node: GradientNode, bias: number, parts: Parts): string {
  const sum = parts.two('Add', node.inputs[0]!, node.inputs[1]!)
  const added = given(node, bias)
  return added === undefined ? sum : parts.two('Add', sum, added)
}

const skipLayerNorm = composed((node, parts) => {
  const sum = skipped(node, 4, parts)
  const bias = given(node, 3)
  const normal = parts.op('LayerNormalization', [sum, node.inputs[2]!, ...(bias === undefined ? [] : [bias])], parts.dims(sum), {
    epsilon: { kind: 'float', value: node.float('epsilon', 1e-12) },
  })
  return [normal, undefined, undefined, sum]
})

const skipRmsNorm = composed((node, parts) => {
  const sum = skipped(node, 3, parts)
  return [rootMeanSquare(sum, node.inputs[2]!, node, parts), undefined, undefined, sum]
})

/** x * (1 + erf(x / sqrt 2)) / 2. */
function gelu(value: string, parts: Parts): string {
  const integral = parts.two('Add', parts.one('Erf', parts.two('Mul', value, Math.SQRT1_2)), 1)
  return parts.two('Mul', parts.two('Mul', value, integral), 0.5)
}

/** By a hyperbolic tangent instead of the integral. */
function fastGelu(value: string, parts: Parts): string {
  const square = parts.two('Mul', value, value)
  const bent = parts.two('Mul', value, parts.two('Add', parts.two('Mul', square, 0.044715), 1))
  const tanh = parts.one('Tanh', parts.two('Mul', bent, Math.sqrt(2 / Math.PI)))
  return parts.two('Mul', parts.two('Mul', value, parts.two('Add', tanh, 1)), 0.5)
}

const withBias = (node: GradientNode, parts: Parts): string => {
  const bias = given(node, 1)
  return bias === undefined ? node.inputs[0]! : parts.two('Add', node.inputs[0]!, bias)
}

/** The function that an operator was joined with, by its name and its numbers. */
function activated(value: string, kind: string, numbers: readonly number[], parts: Parts): string {
  const parameters = (...names: string[]): Record<string, OnnxAttribute> =>
    Object.fromEntries(
      names.flatMap((name, i) => (numbers[i] === undefined ? [] : [[name, { kind: 'float', value: numbers[i] }] as const])),
    )
  switch (kind) {
    case '':
      return value
    case 'Relu':
    case 'Sigmoid':
    case 'Softplus':
    case 'Softsign':
    case 'Tanh':
    case 'HardSwish':
      return parts.one(kind, value)
    case 'Elu':
    case 'LeakyRelu':
    case 'ThresholdedRelu':
      return parts.one(kind, value, parameters('alpha'))
    case 'HardSigmoid':
      return parts.one(kind, value, parameters('alpha', 'beta'))
    case 'Clip': {
      const [low, high] = [numbers[0] ?? -3.4e38, numbers[1] ?? 3.4e38].map(bound => parts.context.number(bound)) as [string, string]
      return parts.op('Clip', [value, low, high], parts.dims(value))
    }
    default:
      throw new RangeError(`an operator joined with ${kind} has no gradient here`)
  }
}

const fusedConv = composed((node, parts) => {
  const settings: Record<string, OnnxAttribute> = {}
  for (const name of ['kernel_shape', 'strides', 'dilations', 'pads']) {
    const numbers = node.ints(name)
    if (numbers !== undefined) settings[name] = ints(...numbers)
  }
  const padding = node.text('auto_pad', 'NOTSET')
  const conv = parts.op(
    'Conv',
    [node.inputs[0]!, node.inputs[1]!, ...(given(node, 2) === undefined ? [] : [node.inputs[2]!])],
    parts.dims(node.output),
    {
      ...settings,
      group: int(node.int('group', 1)),
      ...(padding === 'NOTSET' ? {} : { auto_pad: { kind: 'string', value: padding } }),
    },
  )
  const added = given(node, 3)
  const sum = added === undefined ? conv : parts.two('Add', conv, added)
  return activated(sum, node.text('activation', ''), node.ints('activation_params') ?? [], parts)
})

const fusedGemm = composed((node, parts) => {
  const product = parts.op(
    'Gemm',
    node.inputs.filter(input => input !== ''),
    parts.dims(node.output),
    {
      alpha: { kind: 'float', value: node.float('alpha', 1) },
      beta: { kind: 'float', value: node.float('beta', 1) },
      transA: int(node.int('transA', 0)),
      transB: int(node.int('transB', 0)),
    },
  )
  const numbers = ['activation_alpha', 'activation_beta'].map(name => node.float(name, Number.NaN)).filter(value => !Number.isNaN(value))
  return activated(product, node.text('activation', ''), numbers, parts)
})

const fusedMatMul = composed((node, parts) => {
  if (node.int('transBatchA', 0) === 1 || node.int('transBatchB', 0) === 1)
    throw new RangeError('a product of turned batches has no gradient here')
  const turned = (value: string, flag: string): string => {
    const rank = parts.dims(value).length
    return node.int(flag, 0) === 1 ? parts.transpose(value, ...from(0, rank - 2), rank - 1, rank - 2) : value
  }
  const product = parts.matMul(turned(node.inputs[0]!, 'transA'), turned(node.inputs[1]!, 'transB'))
  const alpha = node.float('alpha', 1)
  return alpha === 1 ? product : parts.two('Mul', product, alpha)
})

/** Rules of operators that are others put together: norms, attention, and what ONNX Runtime's optimizers join. */
export const composedRules: Readonly<Record<string, GradientRule>> = {
  ...attentionRules,
  GroupNormalization: groupNorm,
  InstanceNormalization: instanceNorm,
  RMSNormalization: rmsNorm,
  SimplifiedLayerNormalization: rmsNorm,
  'com.microsoft.BiasGelu': composed((node, parts) => gelu(withBias(node, parts), parts)),
  'com.microsoft.FastGelu': composed((node, parts) => fastGelu(withBias(node, parts), parts)),
  'com.microsoft.FusedConv': fusedConv,
  'com.microsoft.FusedGemm': fusedGemm,
  'com.microsoft.FusedMatMul': fusedMatMul,
  'com.microsoft.SkipLayerNormalization': skipLayerNorm,
  'com.microsoft.SkipSimplifiedLayerNormalization': skipRmsNorm,
}
