/**
 * Every op in float64, written as its definition reads and for nothing but small shapes: what the tests take finite differences of.
 */
import type { GraphNode, NodeOf, OpName } from '@layermill/models'

/** An array of any rank in row-major order. */
export interface Values {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export type Parameters64 = ReadonlyMap<string, Values>

interface Options {
  readonly batchStatistics: boolean
  readonly masks: Parameters64
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** An array filled by position. */
function filled(shape: readonly number[], at: (index: readonly number[]) => number): Values {
  const data = new Float64Array(count(shape))
  const index = shape.map(() => 0)
  for (let flat = 0; flat < data.length; flat++) {
    data[flat] = at(index)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1
      if (index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
  return { shape, data }
}

function get({ shape, data }: Values, index: readonly number[]): number {
  let flat = 0
  for (const [axis, position] of index.entries()) flat = flat * shape[axis]! + position
  return data[flat]!
}

function outputSize(input: number, kernel: number, stride: number, pad: number, ceil: boolean): number {
  const span = (input + 2 * pad - kernel) / stride
  const size = (ceil ? Math.ceil(span) : Math.floor(span)) + 1
  return ceil && pad > 0 && (size - 1) * stride >= input + pad ? size - 1 : size
}

interface Window { kernel: readonly [number, number]; stride: readonly [number, number]; pad: readonly [number, number]; ceil?: boolean }

/** Height and width of what a window slides to. */
function slide(x: Values, { kernel, stride, pad, ceil = false }: Window): [number, number] {
  return [
    outputSize(x.shape[2]!, kernel[0], stride[0], pad[0], ceil),
    outputSize(x.shape[3]!, kernel[1], stride[1], pad[1], ceil),
  ]
}

/** The cells inside the input that the window at (row, column) sees. */
function seen(x: Values, { kernel, stride, pad }: Window, row: number, column: number): { y: number; x: number; i: number; j: number }[] {
  const cells = []
  for (let i = 0; i < kernel[0]; i++) {
    for (let j = 0; j < kernel[1]; j++) {
      const cell = { y: row * stride[0] - pad[0] + i, x: column * stride[1] - pad[1] + j, i, j }
      if (cell.y >= 0 && cell.y < x.shape[2]! && cell.x >= 0 && cell.x < x.shape[3]!) cells.push(cell)
    }
  }
  return cells
}

function conv(node: NodeOf<'conv'>, [x]: readonly Values[], parameters: Parameters64): Values {
  const weight = parameters.get(node.parameters.weight)!
  const bias = node.parameters.bias === undefined ? undefined : parameters.get(node.parameters.bias)!
  return filled([x!.shape[0]!, weight.shape[0]!, ...slide(x!, node.attributes)], ([n, o, row, column]) => {
    let sum = bias?.data[o!] ?? 0
    for (const cell of seen(x!, node.attributes, row!, column!)) {
      for (let c = 0; c < weight.shape[1]!; c++) sum += get(x!, [n!, c, cell.y, cell.x]) * get(weight, [o!, c, cell.i, cell.j])
    }
    return sum
  })
}

/** Mean and variance of each channel, over images and cells. */
export function channelStatistics(x: Values): { mean: Float64Array; variance: Float64Array } {
  const [images, channels] = x.shape
  const cells = count(x.shape.slice(2))
  const mean = new Float64Array(channels!)
  const variance = new Float64Array(channels!)
  const each = (visit: (channel: number, value: number) => void): void => x.data.forEach((value, i) => visit(Math.floor(i / cells) % channels!, value))
  each((c, value) => { mean[c]! += value / (images! * cells) })
  each((c, value) => { variance[c]! += (value - mean[c]!) ** 2 / (images! * cells) })
  return { mean, variance }
}

function batchNorm(node: NodeOf<'batchNorm'>, [x]: readonly Values[], parameters: Parameters64, { batchStatistics }: Options): Values {
  const of = (name: string): Float64Array => parameters.get(name)!.data
  const { gamma, beta, mean, variance } = node.parameters
  const statistics = batchStatistics ? channelStatistics(x!) : { mean: of(mean), variance: of(variance) }
  return filled(x!.shape, index => {
    const c = index[1]!
    const deviation = Math.sqrt(statistics.variance[c]! + node.attributes.epsilon)
    return (of(gamma)[c]! * (get(x!, index) - statistics.mean[c]!)) / deviation + of(beta)[c]!
  })
}

function average(x: Values, n: number, c: number, rows: readonly [number, number], columns: readonly [number, number]): number {
  let sum = 0
  for (let y = rows[0]; y < rows[1]; y++) for (let z = columns[0]; z < columns[1]; z++) sum += get(x, [n, c, y, z])
  return sum / ((rows[1] - rows[0]) * (columns[1] - columns[0]))
}

function adaptive(node: NodeOf<'adaptiveAvgPool'>, [x]: readonly Values[]): Values {
  const [height, width] = node.attributes.size
  const part = (i: number, parts: number, length: number): [number, number] => [Math.floor((i * length) / parts), Math.ceil(((i + 1) * length) / parts)]
  return filled([x!.shape[0]!, x!.shape[1]!, height, width], ([n, c, row, column]) =>
    average(x!, n!, c!, part(row!, height, x!.shape[2]!), part(column!, width, x!.shape[3]!)))
}

function avgPool(node: NodeOf<'avgPool'>, [x]: readonly Values[]): Values {
  return filled([...x!.shape.slice(0, 2), ...slide(x!, node.attributes)], ([n, c, row, column]) =>
    seen(x!, node.attributes, row!, column!).reduce((sum, cell) => sum + get(x!, [n!, c!, cell.y, cell.x]), 0) /
      (node.attributes.kernel[0] * node.attributes.kernel[1]))
}

function maxPool(node: NodeOf<'maxPool'>, [x]: readonly Values[]): Values {
  return filled([...x!.shape.slice(0, 2), ...slide(x!, node.attributes)], ([n, c, row, column]) =>
    Math.max(...seen(x!, node.attributes, row!, column!).map(cell => get(x!, [n!, c!, cell.y, cell.x]))))
}

function lrn(node: NodeOf<'lrn'>, [x]: readonly Values[]): Values {
  const { size, alpha, beta, k } = node.attributes
  const half = (size - 1) / 2
  return filled(x!.shape, index => {
    const [n, c, row, column] = index
    let sum = 0
    for (let other = Math.max(0, c! - half); other <= Math.min(x!.shape[1]! - 1, c! + half); other++) sum += get(x!, [n!, other, row!, column!]) ** 2
    return get(x!, index) / (k + alpha * sum) ** beta
  })
}

function linear(node: NodeOf<'linear'>, [x]: readonly Values[], parameters: Parameters64): Values {
  const weight = parameters.get(node.parameters.weight)!
  const bias = parameters.get(node.parameters.bias)!
  const features = count(x!.shape.slice(1))
  return filled([x!.shape[0]!, weight.shape[0]!], ([n, o]) => {
    let sum = bias.data[o!]!
    for (let i = 0; i < features; i++) sum += x!.data[n! * features + i]! * weight.data[o! * features + i]!
    return sum
  })
}

function softmax(_node: NodeOf<'softmax'>, [x]: readonly Values[]): Values {
  const total = Array.from({ length: x!.shape[0]! }, (_, n) =>
    Array.from({ length: x!.shape[1]! }, (_value, c) => Math.exp(get(x!, [n, c]))).reduce((sum, value) => sum + value, 0))
  return filled(x!.shape, index => Math.exp(get(x!, index)) / total[index[0]!]!)
}

function concat(_node: NodeOf<'concat'>, inputs: readonly Values[]): Values {
  const channels = inputs.reduce((sum, { shape }) => sum + shape[1]!, 0)
  return filled([inputs[0]!.shape[0]!, channels, ...inputs[0]!.shape.slice(2)], ([n, c, ...rest]) => {
    let channel = c!
    for (const input of inputs) {
      if (channel < input.shape[1]!) return get(input, [n!, channel, ...rest])
      channel -= input.shape[1]!
    }
    throw new RangeError(`no channel ${c}`)
  })
}

type Rule<Op extends OpName> = (node: NodeOf<Op>, inputs: readonly Values[], parameters: Parameters64, options: Options) => Values

const rules: { readonly [Op in Exclude<OpName, 'input'>]: Rule<Op> } = {
  conv,
  batchNorm,
  relu: (_node, [x]) => ({ shape: x!.shape, data: x!.data.map(value => Math.max(0, value)) }),
  maxPool,
  avgPool,
  globalAvgPool: (_node, [x]) =>
    filled([...x!.shape.slice(0, 2), 1, 1], ([n, c]) => average(x!, n!, c!, [0, x!.shape[2]!], [0, x!.shape[3]!])),
  adaptiveAvgPool: adaptive,
  lrn,
  linear,
  dropout: (node, [x], _parameters, { masks }) => {
    const mask = masks.get(node.name)
    return mask === undefined ? x! : { shape: x!.shape, data: x!.data.map((value, i) => value * mask.data[i]!) }
  },
  softmax,
  concat,
  add: (_node, [a, b]) => ({ shape: a!.shape, data: a!.data.map((value, i) => value + b!.data[i]!) }),
  flatten: (_node, [x]) => ({ shape: [x!.shape[0]!, count(x!.shape.slice(1))], data: x!.data }),
}

/** Every node's value. */
export function referenceForward(nodes: readonly GraphNode[], images: Values, parameters: Parameters64, options: Options): Map<string, Values> {
  const values = new Map<string, Values>()
  for (const node of nodes) {
    if (node.op === 'input') values.set(node.name, images)
    else values.set(node.name, (rules[node.op] as Rule<OpName>)(node, node.inputs.map(name => values.get(name)!), parameters, options))
  }
  return values
}

/** Cross entropy of softmax against targets [N, classes], summed. */
export function crossEntropy(scores: Values, targets: Values): number {
  const [rows, classes] = scores.shape
  let loss = 0
  for (let n = 0; n < rows!; n++) {
    const row = scores.data.subarray(n * classes!, (n + 1) * classes!)
    const top = Math.max(...row)
    const logTotal = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0))
    for (let c = 0; c < classes!; c++) loss -= targets.data[n * classes! + c]! * (row[c]! - logTotal)
  }
  return loss
}
