/**
 * Every op of a network computed in float64 straight from its definition, one loop per dimension: what engines are compared with.
 * Slow; for small shapes.
 */
import { elementCount, type Tensor } from '@layermill/core'
import type { GraphNode, NodeOf, Size2 } from '@layermill/models'

/** A dense array in row-major order, in double precision. */
export interface Value {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** How training computes a network, where it is not as inference does. */
export interface ReferenceOptions {
  /** Batch norm uses the statistics of the batch: all, none, or those of which it is true. Default false. */
  readonly batchStatistics?: boolean | ((norm: string) => boolean)
  /** Factors of dropouts, by node. A dropout without one changes nothing. */
  readonly masks?: ReadonlyMap<string, Value>
}

type Rule<Op extends GraphNode['op']> = (
  node: NodeOf<Op>,
  inputs: readonly Value[],
  parameter: (name: string) => Value,
  options: ReferenceOptions,
) => Value

type Dims4 = [count: number, channels: number, height: number, width: number]

function dims4({ shape }: Value): Dims4 {
  if (shape.length !== 4) throw new RangeError(`expected [N, C, H, W], not [${shape.join()}]`)
  return [shape[0]!, shape[1]!, shape[2]!, shape[3]!]
}

function build(shape: readonly number[], at: (index: number) => number): Value {
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => at(i)) }
}

/** A new [N, C, H, W] from a function of the four indices. */
function build4([count, channels, height, width]: Dims4, at: (n: number, c: number, y: number, x: number) => number): Value {
  return build([count, channels, height, width], i => {
    const [x, rest] = [i % width, Math.floor(i / width)]
    const [y, plane] = [rest % height, Math.floor(rest / height)]
    return at(Math.floor(plane / channels), plane % channels, y, x)
  })
}

/** Reads [n, c, y, x], or undefined outside the picture. */
function reader(value: Value): (n: number, c: number, y: number, x: number) => number | undefined {
  const [, channels, height, width] = dims4(value)
  return (n, c, y, x) =>
    y < 0 || y >= height || x < 0 || x >= width ? undefined : value.data[((n * channels + c) * height + y) * width + x]
}

interface Window {
  readonly kernel: Size2
  readonly stride: Size2
  readonly pad: Size2
}

/**
 * Starts of windows along one axis of `length` cells. Without `ceil` all fit into the padded input. With it they go on until the
 * input is covered, but none begins behind the input and the padding before it.
 */
function windowStarts(length: number, kernel: number, stride: number, pad: number, ceil: boolean): number[] {
  const starts: number[] = []
  for (let start = -pad; ; start += stride) {
    const fits = start + kernel <= length + pad
    const covered = starts.length > 0 && starts.at(-1)! + kernel >= length + pad
    if (!fits && (!ceil || covered || start >= length)) return starts
    starts.push(start)
  }
}

/** The cells inside the picture of each window, folded into one value per window. */
function slide(input: Value, { kernel, stride, pad }: Window, ceil: boolean, fold: (cells: number[]) => number): Value {
  const [count, channels, height, width] = dims4(input)
  const read = reader(input)
  const tops = windowStarts(height, kernel[0], stride[0], pad[0], ceil)
  const lefts = windowStarts(width, kernel[1], stride[1], pad[1], ceil)
  return build4([count, channels, tops.length, lefts.length], (n, c, i, j) => {
    const cells: number[] = []
    for (let dy = 0; dy < kernel[0]; dy++) {
      for (let dx = 0; dx < kernel[1]; dx++) {
        const cell = read(n, c, tops[i]! + dy, lefts[j]! + dx)
        if (cell !== undefined) cells.push(cell)
      }
    }
    return fold(cells)
  })
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** The mean over rows top..bottom and columns left..right (ends left out). */
function meanOver(input: Value, parts: Size2): Value {
  const [count, channels, height, width] = dims4(input)
  const read = reader(input)
  const range = (part: number, of: number, length: number) => {
    const start = Math.floor((part * length) / of)
    return Array.from({ length: Math.ceil(((part + 1) * length) / of) - start }, (_, i) => start + i)
  }
  return build4([count, channels, ...parts], (n, c, i, j) => {
    const cells = range(i, parts[0], height).flatMap(y => range(j, parts[1], width).map(x => read(n, c, y, x)!))
    return sum(cells) / cells.length
  })
}

const conv: Rule<'conv'> = (node, [input], parameter) => {
  const { kernel, stride, pad, outChannels } = node.attributes
  const [count, channels, height, width] = dims4(input!)
  const weight = parameter(node.parameters.weight)
  const bias = node.parameters.bias === undefined ? undefined : parameter(node.parameters.bias)
  const [read, readWeight] = [reader(input!), reader(weight)]
  const tops = windowStarts(height, kernel[0], stride[0], pad[0], false)
  const lefts = windowStarts(width, kernel[1], stride[1], pad[1], false)
  return build4([count, outChannels, tops.length, lefts.length], (n, o, i, j) => {
    let total = bias?.data[o] ?? 0
    for (let c = 0; c < channels; c++) {
      for (let dy = 0; dy < kernel[0]; dy++) {
        for (let dx = 0; dx < kernel[1]; dx++) {
          total += (read(n, c, tops[i]! + dy, lefts[j]! + dx) ?? 0) * readWeight(o, c, dy, dx)!
        }
      }
    }
    return total
  })
}

const lrn: Rule<'lrn'> = (node, [input]) => {
  const { size, alpha, beta, k } = node.attributes
  const [, channels] = dims4(input!)
  const read = reader(input!)
  const half = Math.floor(size / 2)
  return build4(dims4(input!), (n, c, y, x) => {
    let squares = 0
    for (let other = Math.max(0, c - half); other <= Math.min(channels - 1, c + half); other++) squares += read(n, other, y, x)! ** 2
    return read(n, c, y, x)! / (k + alpha * squares) ** beta
  })
}

const linear: Rule<'linear'> = (node, [input], parameter) => {
  const [weight, bias] = [parameter(node.parameters.weight), parameter(node.parameters.bias)]
  const outputs = node.attributes.outFeatures
  const features = elementCount(input!.shape.slice(1))
  return build([input!.shape[0]!, outputs], index => {
    const [n, o] = [Math.floor(index / outputs), index % outputs]
    let total = bias.data[o]!
    for (let f = 0; f < features; f++) total += input!.data[n * features + f]! * weight.data[o * features + f]!
    return total
  })
}

const softmax: Rule<'softmax'> = (_node, [input]) => {
  const features = input!.shape[1]!
  return build(input!.shape, index => {
    const row = input!.data.subarray(index - (index % features), index - (index % features) + features)
    const largest = Math.max(...row)
    return Math.exp(input!.data[index]! - largest) / sum(Array.from(row, value => Math.exp(value - largest)))
  })
}

const concat: Rule<'concat'> = (_node, inputs) => {
  const isFlat = inputs[0]!.shape.length === 2
  const maps = isFlat ? inputs.map(({ shape, data }) => ({ shape: [...shape, 1, 1], data })) : inputs
  const [count, , height, width] = dims4(maps[0]!)
  const sources = maps.flatMap(input => Array.from({ length: dims4(input)[1] }, (_, c) => ({ read: reader(input), c })))
  const joined = build4([count, sources.length, height, width], (n, c, y, x) => sources[c]!.read(n, sources[c]!.c, y, x)!)
  return isFlat ? { shape: joined.shape.slice(0, 2), data: joined.data } : joined
}

/** Mean and variance of each channel, over images and cells. */
export function channelStatistics(value: Value): { mean: Float64Array; variance: Float64Array } {
  const [count, channels, height, width] = dims4(value)
  const cells = height * width
  const mean = new Float64Array(channels)
  const variance = new Float64Array(channels)
  const channelOf = (i: number): number => Math.floor(i / cells) % channels
  for (const [i, each] of value.data.entries()) mean[channelOf(i)]! += each / (count * cells)
  for (const [i, each] of value.data.entries()) variance[channelOf(i)]! += (each - mean[channelOf(i)]!) ** 2 / (count * cells)
  return { mean, variance }
}

const batchNorm: Rule<'batchNorm'> = (node, [input], parameter, { batchStatistics = false }) => {
  const of = (key: 'gamma' | 'beta' | 'mean' | 'variance'): Float64Array => parameter(node.parameters[key]).data
  const [gamma, beta] = [of('gamma'), of('beta')]
  const ofBatch = typeof batchStatistics === 'boolean' ? batchStatistics : batchStatistics(node.name)
  const { mean, variance } = ofBatch ? channelStatistics(input!) : { mean: of('mean'), variance: of('variance') }
  const read = reader(input!)
  return build4(
    dims4(input!),
    (n, c, y, x) => (gamma[c]! * (read(n, c, y, x)! - mean[c]!)) / Math.sqrt(variance[c]! + node.attributes.epsilon) + beta[c]!,
  )
}

const dropout: Rule<'dropout'> = (node, [input], _parameter, { masks }) => {
  const mask = masks?.get(node.name)
  return mask === undefined ? input! : build(input!.shape, i => input!.data[i]! * mask.data[i]!)
}

const rules: { readonly [Op in Exclude<GraphNode['op'], 'input'>]: Rule<Op> } = {
  conv,
  batchNorm,
  relu: (_node, [input]) => build(input!.shape, i => Math.max(0, input!.data[i]!)),
  maxPool: (node, [input]) => slide(input!, node.attributes, node.attributes.ceil, cells => Math.max(...cells)),
  avgPool: (node, [input]) => {
    const { kernel } = node.attributes
    return slide(input!, node.attributes, false, cells => sum(cells) / (kernel[0] * kernel[1]))
  },
  globalAvgPool: (_node, [input]) => meanOver(input!, [1, 1]),
  adaptiveAvgPool: (node, [input]) => meanOver(input!, node.attributes.size),
  lrn,
  linear,
  dropout,
  softmax,
  slice: ({ attributes: { from, to } }, [input]) => {
    const [count, features] = [input!.shape[0]!, input!.shape[1]!]
    return build([count, to - from], i => input!.data[Math.floor(i / (to - from)) * features + from + (i % (to - from))]!)
  },
  sigmoid: (_node, [input]) => build(input!.shape, i => 1 / (1 + Math.exp(-input!.data[i]!))),
  concat,
  add: (_node, [a, b]) => build(a!.shape, i => a!.data[i]! + b!.data[i]!),
  flatten: (_node, [input]) => ({ shape: [input!.shape[0]!, elementCount(input!.shape.slice(1))], data: input!.data }),
}

type AnyRule = (node: GraphNode, inputs: readonly Value[], parameter: (name: string) => Value, options: ReferenceOptions) => Value

const double = ({ shape, data }: Tensor | Value): Value => ({ shape, data: data instanceof Float64Array ? data : Float64Array.from(data) })

/** The values of all nodes (in topological order, the input first) for these images, by node name. */
export function computeReference(
  nodes: readonly GraphNode[],
  weights: ReadonlyMap<string, Tensor | Value>,
  images: Value,
  options: ReferenceOptions = {},
): Map<string, Value> {
  const parameter = (name: string): Value => {
    const tensor = weights.get(name)
    if (tensor === undefined) throw new RangeError(`no weights named ${name}`)
    return double(tensor)
  }
  const values = new Map<string, Value>()
  for (const node of nodes) {
    if (node.op === 'input') values.set(node.name, images)
    else
      values.set(
        node.name,
        (rules[node.op] as AnyRule)(
          node,
          node.inputs.map(name => values.get(name)!),
          parameter,
          options,
        ),
      )
  }
  return values
}

/** Cross entropy of softmax against targets [N, classes], summed. */
export function crossEntropy(scores: Value, targets: Value): number {
  const classes = scores.shape[1]!
  let loss = 0
  for (let start = 0; start < scores.data.length; start += classes) {
    const row = scores.data.subarray(start, start + classes)
    const top = Math.max(...row)
    const logTotal = top + Math.log(sum(Array.from(row, value => Math.exp(value - top))))
    for (let c = 0; c < classes; c++) loss -= targets.data[start + c]! * (row[c]! - logTotal)
  }
  return loss
}
