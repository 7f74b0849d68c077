import { int, ints, type OnnxAttribute, type OnnxNode } from '../graph.js'
import { axisOf, type Dims, type GradientContext, gradientNode, type GradientNode, type GradientRule } from './context.js'
import { countOf } from './reduce.js'

/** Sides of two operands that are spread over each other. */
function spread(a: Dims, b: Dims): Dims {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const sides = [a, b].flatMap(dims => (axis < rank - dims.length ? [] : [dims[axis - (rank - dims.length)]]))
    return sides.find(side => side !== undefined && side !== 1) ?? (sides.includes(undefined) ? undefined : 1)
  })
}

/** An operator's forward pass once more, in operators that have rules: its gradient is theirs. */
export class Parts {
  private readonly made: OnnxNode[] = []

  constructor(readonly context: GradientContext) {}

  dims(value: string): Dims {
    return this.context.dims(value)
  }

  op(op: string, inputs: readonly string[], dims: Dims, attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    const output = this.context.op(op, inputs, attributes)
    this.context.know(
      output,
      dims,
      inputs.some(input => this.context.needs(input)),
    )
    this.made.push({ op, inputs, outputs: [output], attributes })
    return output
  }

  /** A function of each element. */
  one(op: string, value: string, attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    return this.op(op, [value], this.dims(value), attributes)
  }

  /** A function of two values, or of a value and a number. */
  two(op: 'Add' | 'Div' | 'Mul' | 'Sub', a: string, b: string | number): string {
    if (typeof b === 'number') return this.op(op, [a, this.context.number(b)], this.dims(a))
    return this.op(op, [a, b], spread(this.dims(a), this.dims(b)))
  }

  /** The mean along axes, which stay as sides of 1. */
  mean(value: string, axes: readonly number[]): string {
    const dims = this.dims(value).map((side, axis) => (axes.includes(axis) ? 1 : side))
    const sum = this.op('ReduceSum', [value, this.context.ints(...axes)], dims, { keepdims: int(1) })
    return this.op('Div', [sum, countOf(value, sum, this.context)], dims)
  }

  /** @param shape 0: as it is in the value; -1: what is left */
  reshape(value: string, shape: readonly number[], dims: Dims): string {
    return this.op('Reshape', [value, this.context.ints(...shape)], dims)
  }

  reshapeLike(value: string, like: string): string {
    return this.op('Reshape', [value, this.context.shapeOf(like)], this.dims(like))
  }

  transpose(value: string, ...order: number[]): string {
    const from = this.dims(value)
    return this.op(
      'Transpose',
      [value],
      order.map(axis => from[axis]),
      { perm: ints(...order) },
    )
  }

  matMul(a: string, b: string): string {
    const [left, right] = [this.dims(a), this.dims(b)]
    return this.op('MatMul', [a, b], [...spread(left.slice(0, -2), right.slice(0, -2)), left.at(-2), right.at(-1)])
  }

  /** A piece of a value along an axis. */
  slice(value: string, axis: number, start: number, end: number): string {
    const at = axisOf(axis, this.dims(value).length)
    const dims = this.dims(value).map((side, i) => (i === at ? end - start : side))
    return this.op('Slice', [value, this.context.ints(start), this.context.ints(end), this.context.ints(at)], dims)
  }

  /** (x - mean) / deviation along axes. */
  normal(value: string, axes: readonly number[], epsilon: number): string {
    const centred = this.two('Sub', value, this.mean(value, axes))
    const variance = this.mean(this.two('Mul', centred, centred), axes)
    return this.two('Div', centred, this.one('Sqrt', this.two('Add', variance, epsilon)))
  }

  /** Gradients of all that was made, from the last to the first. */
  differentiate(): void {
    const { context } = this
    for (const node of this.made.toReversed()) {
      const gradient = context.gradient(node.outputs[0]!)
      if (gradient !== undefined) context.rule(node.op)(gradientNode(node), gradient, context, [gradient])
    }
  }
}

/** An input that is given. */
export function given(node: GradientNode, index: number): string | undefined {
  const name = node.inputs[index]
  return name === '' ? undefined : name
}

/**
 * The rule of an operator that is others put together.
 * @param build makes its results: the first, or as many as are differentiated
 */
export const composed =
  (build: (node: GradientNode, parts: Parts) => string | readonly (string | undefined)[]): GradientRule =>
  (node, first, context, gradients) => {
    const parts = new Parts(context)
    const built = build(node, parts)
    const results = typeof built === 'string' ? [built] : built
    results.forEach((result, i) => {
      const gradient = typeof built === 'string' ? first : gradients[i]
      if (gradient !== undefined) context.accumulate(result, () => gradient)
    })
    parts.differentiate()
  }
