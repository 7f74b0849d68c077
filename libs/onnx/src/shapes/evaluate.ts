import { axisOf, broadcast, type Context, type Info, int, ints, product } from './info.js'
import { smallNumbers } from '../read/parse-tensor.js'
import { range } from './moves.js'

/** Most numbers of a value that is computed here. */
const most = 4096

type Binary = (a: number, b: number) => number

const binaries: Readonly<Record<string, Binary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Mod: (a, b) => ((a % b) + b) % b,
  Pow: (a, b) => a ** b,
  Max: Math.max,
  Min: Math.min,
  Equal: (a, b) => Number(a === b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  And: (a, b) => Number(a !== 0 && b !== 0),
  Or: (a, b) => Number(a !== 0 || b !== 0),
}

const unaries: Readonly<Record<string, (a: number) => number>> = {
  Identity: a => a,
  Neg: a => -a,
  Abs: Math.abs,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: Math.round,
  Sqrt: Math.sqrt,
  Not: a => Number(a === 0),
}

/** The place in a value that is broadcast to `dims`, of the element at `index` of these. */
function placeIn(index: number, dims: readonly number[], own: readonly number[]): number {
  let rest = index
  let place = 0
  let stride = 1
  for (let axis = dims.length - 1, at = own.length - 1; axis >= 0; axis--, at--) {
    const position = rest % dims[axis]!
    rest = Math.floor(rest / dims[axis]!)
    if (at < 0) continue
    if (own[at] !== 1) place += position * stride
    stride *= own[at]!
  }
  return place
}

function elementwise(inputs: readonly Required<Info>[], compute: (values: number[]) => number): number[] | undefined {
  const dims = broadcast(inputs.map(input => input.dims)) as number[]
  const count = product(dims)!
  if (count > most) return undefined
  return Array.from({ length: count }, (_, i) => compute(inputs.map(input => input.numbers[placeIn(i, dims, input.dims as number[])]!)))
}

const integer = (type: number): boolean => type !== 1 && type !== 10 && type !== 11 && type !== 16

/** Numbers between two bounds, each of which may be left out. */
function clipped(context: Context): readonly number[] | undefined {
  const [first, ...bounds] = context.inputs
  const bound = (name: string, at: number, otherwise: number): number | undefined => {
    const given = context.node.inputs[at + 1]
    if (given === undefined || given === '') return context.node.attributes.get(name)?.numbers[0] ?? otherwise
    return bounds[at]?.numbers?.[0]
  }
  const [low, high] = [bound('min', 0, -Infinity), bound('max', 1, Infinity)]
  if (low === undefined || high === undefined) return undefined
  return first?.numbers?.map(value => Math.min(Math.max(value, low), high))
}

/** Values of one dimension or none, which shapes are made of. */
const flat = ({ dims }: Info): boolean => dims !== undefined && dims.length <= 1

/** The numbers at these positions along each axis, in order. */
function picked(numbers: readonly number[], dims: readonly number[], positions: readonly (readonly number[])[]): number[] {
  let offsets = [0]
  dims.forEach((_, axis) => {
    const stride = dims.slice(axis + 1).reduce((total, size) => total * size, 1)
    offsets = offsets.flatMap(offset => positions[axis]!.map(position => offset + position * stride))
  })
  return offsets.map(offset => numbers[offset]!)
}

function slicedNumbers(context: Context, [first, ...rest]: readonly Required<Info>[]): number[] | undefined {
  const starts = ints(context, 'starts') ?? rest[0]?.numbers
  const ends = ints(context, 'ends') ?? rest[1]?.numbers
  if (starts === undefined || ends === undefined) return undefined
  const dims = first!.dims as number[]
  const axes = ints(context, 'axes') ?? rest[2]?.numbers ?? starts.map((_, i) => i)
  const positions = dims.map(size => Array.from({ length: size }, (_, i) => i))
  axes.forEach((axis, i) => {
    const at = axisOf(axis, dims.length)
    const step = rest[3]?.numbers[i] ?? 1
    const { from, to } = range(dims[at]!, starts[i]!, ends[i]!, step)
    positions[at] = Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, k) => from + k * step)
  })
  return picked(first!.numbers, dims, positions)
}

function transposedNumbers(context: Context, { dims, numbers }: Required<Info>): number[] {
  const sizes = dims as number[]
  const order = ints(context, 'perm') ?? sizes.map((_, i) => sizes.length - 1 - i)
  const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((total, size) => total * size, 1))
  let offsets = [0]
  for (const axis of order) offsets = offsets.flatMap(offset => Array.from({ length: sizes[axis]! }, (_, i) => offset + i * strides[axis]!))
  return offsets.map(offset => numbers[offset]!)
}

function moved(context: Context, inputs: readonly Required<Info>[]): readonly number[] | undefined {
  const [first, second, third] = inputs
  const values = first!.numbers
  switch (context.node.op) {
    case 'Gather': {
      if (first!.dims.length !== 1) return undefined
      return second!.numbers.map(at => values[axisOf(at, values.length)] ?? 0)
    }
    case 'Slice':
      return slicedNumbers(context, inputs)
    case 'Concat':
      return inputs.every(flat) ? inputs.flatMap(({ numbers }) => numbers) : undefined
    case 'Reshape':
    case 'Flatten':
    case 'Squeeze':
    case 'Unsqueeze':
      return values
    case 'Transpose':
      return transposedNumbers(context, first!)
    case 'Expand': {
      const dims = broadcast([first!.dims, second!.numbers]) as number[]
      const count = product(dims)!
      return count > most ? undefined : Array.from({ length: count }, (_, i) => values[placeIn(i, dims, first!.dims as number[])]!)
    }
    case 'Where':
      return elementwise(inputs, ([condition, a, b]) => (condition! !== 0 ? a! : b!))
    case 'ReduceProd':
      return flat(first!) ? [values.reduce((total, value) => total * value, 1)] : undefined
    case 'ReduceSum':
      return flat(first!) ? [values.reduce((total, value) => total + value, 0)] : undefined
    case 'ReduceMax':
      return flat(first!) && values.length > 0 ? [Math.max(...values)] : undefined
    case 'ReduceMin':
      return flat(first!) && values.length > 0 ? [Math.min(...values)] : undefined
    case 'Range': {
      const count = Math.max(0, Math.ceil((second!.numbers[0]! - values[0]!) / third!.numbers[0]!))
      return count <= most ? Array.from({ length: count }, (_, i) => values[0]! + i * third!.numbers[0]!) : undefined
    }
    default:
      return undefined
  }
}

/** First and last (exclusive) of the dimensions that a Shape node gives. */
export function shapeRange(context: Context, rank: number): [first: number, end: number] {
  const bound = (name: string, otherwise: number): number => {
    const asked = int(context, name, otherwise)
    return Math.max(0, Math.min(rank, asked < 0 ? asked + rank : asked))
  }
  return [bound('start', 0), bound('end', rank)]
}

/**
 * The numbers of a node's first output where its inputs' are known and few: the arithmetic of shapes. `type` is the output's.
 */
export function evaluate(context: Context, type: number): readonly number[] | undefined {
  const { node, inputs } = context
  if (node.op === 'Shape') {
    const dims = inputs[0]?.dims
    if (dims === undefined || dims.includes(undefined)) return undefined
    return (dims as number[]).slice(...shapeRange(context, dims.length))
  }
  if (node.op === 'Size') {
    const count = product(inputs[0]?.dims ?? [undefined])
    return count === undefined ? undefined : [count]
  }
  if (node.op === 'Clip') return clipped(context)
  const known = inputs.filter((input): input is Required<Info> => input.numbers !== undefined && input.dims !== undefined)
  if (known.length === 0 || known.length !== inputs.length) return undefined
  if (node.op === 'ConstantOfShape') {
    const count = product(known[0]!.numbers)!
    const tensor = node.attributes.get('value')?.tensor
    const value = tensor === undefined ? 0 : smallNumbers(tensor, '')?.[0]
    return count > most || value === undefined ? undefined : Array.from({ length: count }, () => value)
  }
  if (node.op === 'Cast') return integer(type) ? known[0]!.numbers.map(Math.trunc) : known[0]!.numbers
  const unary = unaries[node.op]
  if (unary !== undefined) return known[0]!.numbers.map(unary)
  const binary = binaries[node.op]
  if (binary === undefined) return moved(context, known)
  const whole = integer(known[0]!.type) && node.op === 'Div' ? Math.trunc : (value: number): number => value
  return elementwise(known, values => whole(values.slice(1).reduce(binary, values[0]!)))
}
