import { int, ints, type OnnxAttribute, type OnnxInitializer, type OnnxNode } from '../graph.js'

/** Dimensions of a value; undefined for those that are known only when it is computed, as the batch. */
export type Dims = readonly (number | undefined)[]

/** The forward pass that gradients are taken of. */
export interface ForwardGraph {
  /** In an order in which every node's inputs are there before it; float32 between them. */
  readonly nodes: readonly OnnxNode[]
  readonly dims: (value: string) => Dims
  /** Whole numbers of a constant int64 value, as of axes and shapes; undefined for what is computed. */
  readonly integers: (value: string) => readonly number[] | undefined
  /** Whether a value holds truths instead of numbers. */
  readonly isLogical?: (value: string) => boolean
}

/** Gradients are appended here, from the last node to the first. All names begin with `grad/`. */
export class GradientContext {
  readonly nodes: OnnxNode[] = []
  readonly initializers = new Map<string, OnnxInitializer>()
  private readonly parts = new Map<string, string[]>()
  private counter = 0

  /** Sides of values that were computed again. */
  private readonly again = new Map<string, Dims>()

  constructor(
    readonly forward: ForwardGraph,
    private readonly wanted: Set<string>,
    /** The rule of an operator. @throws RangeError where it has none */
    readonly rule: (op: string) => GradientRule,
  ) {}

  /** A value of the forward pass that is computed once more, beside the gradients. */
  know(value: string, dims: Dims, isWanted: boolean): void {
    this.again.set(value, dims)
    if (isWanted) this.wanted.add(value)
  }

  /** Whole numbers that newer operator sets take as an input, older ones as an attribute. */
  numbers(node: GradientNode, input: number, attribute: string): readonly number[] | undefined {
    const name = node.inputs[input]
    if (name === undefined || name === '') return node.ints(attribute)
    const own = this.initializers.get(name)
    return (own?.type === 'int64' ? own.data : this.forward.integers(name)) ?? node.ints(attribute)
  }

  /** Axes of its first input that an operator names, from 0 on; all of them where it names none. */
  axes(node: GradientNode, input: number): number[] {
    const rank = this.dims(node.inputs[0]!).length
    return (this.numbers(node, input, 'axes') ?? Array.from({ length: rank }, (_, i) => i)).map(axis => axisOf(axis, rank))
  }

  /** Whether a value's gradient is wanted, or lies on the way to one. */
  needs(value: string | undefined): value is string {
    return value !== undefined && this.wanted.has(value)
  }

  dims(value: string): Dims {
    return this.again.get(value) ?? this.initializers.get(value)?.shape ?? this.forward.dims(value)
  }

  /** Dimensions that must be known: of channels and maps, not of the batch. */
  known(value: string, axis: number): number {
    const found = this.dims(value).at(axis)
    if (found === undefined) throw new RangeError(`axis ${axis} of ${value} is not known`)
    return found
  }

  isLogical(value: string): boolean {
    return this.forward.isLogical?.(value) ?? false
  }

  op(op: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    const name = `grad/${op}#${this.counter++}`
    this.nodes.push({ op, inputs, outputs: [name], attributes })
    return name
  }

  /** An operator with two results. */
  pair(op: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>>): readonly [string, string] {
    const name = `grad/${op}#${this.counter++}`
    this.nodes.push({ op, inputs, outputs: [name, `${name}/2`], attributes })
    return [name, `${name}/2`]
  }

  /** An int64 scalar. */
  scalar(value: number): string {
    return this.constant(`grad/int/${value}`, { type: 'int64', shape: [], data: [value] })
  }

  /** An int64 vector; the same constant for the same numbers. */
  ints(...values: number[]): string {
    return this.constant(`grad/ints/${values.join(',')}`, { type: 'int64', shape: [values.length], data: values })
  }

  /** A float32 scalar. */
  number(value: number): string {
    return this.constant(`grad/float/${value}`, { type: 'float32', shape: [], data: Float32Array.of(value) })
  }

  constant(name: string, tensor: OnnxInitializer): string {
    this.initializers.set(name, tensor)
    return name
  }

  mul(a: string, b: string | number): string {
    return this.op('Mul', [a, typeof b === 'number' ? this.number(b) : b])
  }

  add(a: string, b: string | number): string {
    return this.op('Add', [a, typeof b === 'number' ? this.number(b) : b])
  }

  sub(a: string, b: string): string {
    return this.op('Sub', [a, b])
  }

  /** The sum along axes, which stay as sides of 1. */
  sum(value: string, axes: readonly number[]): string {
    return axes.length === 0 ? value : this.op('ReduceSum', [value, this.ints(...axes)], { keepdims: int(1) })
  }

  shapeOf(value: string): string {
    return this.op('Shape', [value])
  }

  reshape(value: string, ...shape: number[]): string {
    return this.op('Reshape', [value, this.ints(...shape)])
  }

  /** A gradient in the shape of another value, which has as many elements. */
  reshapeLike(value: string, like: string): string {
    return this.op('Reshape', [value, this.shapeOf(like)])
  }

  transpose(value: string, ...permutation: number[]): string {
    return this.op('Transpose', [value], { perm: ints(...permutation) })
  }

  slice(value: string, starts: readonly number[], ends: readonly number[], axes: readonly number[]): string {
    return this.op('Slice', [value, this.ints(...starts), this.ints(...ends), this.ints(...axes)])
  }

  /** 1 where a comparison holds, else 0. */
  mask(op: 'Equal' | 'Greater' | 'Less', a: string, b: string | number): string {
    const held = this.op(op, [a, typeof b === 'number' ? this.number(b) : b])
    return this.op('Cast', [held], { to: int(1) })
  }

  zerosLike(value: string): string {
    return this.op('ConstantOfShape', [this.shapeOf(value)])
  }

  /** Adds a part to the gradient of a value. */
  accumulate(value: string | undefined, part: () => string): void {
    if (!this.needs(value)) return
    const name = part()
    const parts = this.parts.get(value)
    if (parts === undefined) this.parts.set(value, [name])
    else parts.push(name)
  }

  /** The gradient of an operand that was spread over the result: what it was spread over is added up. */
  accumulateSpread(value: string | undefined, result: string, part: () => string): void {
    this.accumulate(value, () => this.unspread(part(), value!, result))
  }

  private unspread(gradient: string, value: string, result: string): string {
    const [from, to] = [this.dims(value), this.dims(result)]
    const missing = to.length - from.length
    // The first side is the batch of both; of others that are not known, only the run tells whether they were spread.
    if (from.some((side, axis) => side === undefined && axis + missing > 0 && to[axis + missing] === undefined))
      return this.unspreadByShapes(gradient, value, to.length)
    const axes = to.flatMap((side, axis) => (axis < missing || (from[axis - missing] === 1 && side !== 1) ? [axis] : []))
    const summed = this.sum(gradient, axes)
    return missing === 0 ? summed : this.reshapeLike(summed, value)
  }

  /** Sums along the sides that differ from the value's, as the run finds them. */
  private unspreadByShapes(gradient: string, value: string, rank: number): string {
    const ones = Array.from({ length: rank - this.dims(value).length }, () => 1)
    const shape = this.shapeOf(value)
    const wide = ones.length === 0 ? shape : this.op('Concat', [this.ints(...ones), shape], { axis: int(0) })
    const differs = this.op('Not', [this.op('Equal', [wide, this.shapeOf(gradient)])])
    const axes = this.reshape(this.op('NonZero', [differs]), -1)
    const summed = this.op('ReduceSum', [gradient, axes], { keepdims: int(1), noop_with_empty_axes: int(1) })
    return this.reshapeLike(summed, value)
  }

  /** A value's gradient once all its readers have added theirs; undefined where none did. */
  gradient(value: string): string | undefined {
    const parts = this.parts.get(value)
    return parts === undefined || parts.length === 1 ? parts?.[0] : this.op('Sum', parts)
  }
}

/** One node as a rule sees it. */
export interface GradientNode {
  readonly inputs: readonly string[]
  readonly output: string
  readonly outputs: readonly string[]
  int(attribute: string, otherwise: number): number
  float(attribute: string, otherwise: number): number
  ints(attribute: string): readonly number[] | undefined
  text(attribute: string, otherwise: string): string
}

export function gradientNode({ inputs, outputs, attributes = {} }: OnnxNode): GradientNode {
  const value = (name: string): unknown => attributes[name]?.value
  return {
    inputs,
    outputs,
    output: outputs[0]!,
    int: (name, otherwise) => Number(value(name) ?? otherwise),
    float: (name, otherwise) => Number(value(name) ?? otherwise),
    ints: name => value(name) as readonly number[] | undefined,
    text: (name, otherwise) => {
      const found = attributes[name]
      return found?.kind === 'string' ? found.value : otherwise
    },
  }
}

/** Adds to the gradients of a node's inputs, given that of its first output that has one, and those of all. */
export type GradientRule = (
  node: GradientNode,
  gradient: string,
  context: GradientContext,
  gradients: readonly (string | undefined)[],
) => void

/** An axis counted from the front. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)
