import type { NodeDef } from '../types.js'

/** A size that is known or not. */
export type Size = number | undefined

/** Facts on a value for one size of input. */
export interface Info {
  /** TensorProto.DataType; 0: not known. */
  readonly type: number
  /** Left out: not even the number of dimensions is known. */
  readonly dims?: readonly Size[]
  /** The numbers, where they are few and depend on no input. */
  readonly numbers?: readonly number[]
}

export const unknown: Info = { type: 0 }

/** One node with what is known of its inputs. */
export interface Context {
  readonly node: NodeDef
  readonly inputs: readonly Info[]
  /** Version of the operator's domain. */
  readonly opset: number
  /** Facts on any value around the node: graphs within it may take them. */
  readonly scope?: (name: string) => Info | undefined
}

export const int = ({ node }: Context, name: string, otherwise: number): number => node.attributes.get(name)?.numbers[0] ?? otherwise
export const ints = ({ node }: Context, name: string): readonly number[] | undefined => node.attributes.get(name)?.numbers
export const text = ({ node }: Context, name: string, otherwise: string): string => node.attributes.get(name)?.text || otherwise
export const dimsOf = ({ inputs }: Context, i: number): readonly Size[] | undefined => inputs[i]?.dims
export const numbersOf = ({ inputs }: Context, i: number): readonly number[] | undefined => inputs[i]?.numbers

/** Axes or sizes that newer opsets take as an input and older ones as an attribute. */
export const listed = (context: Context, attribute: string, input: number): readonly number[] | undefined =>
  ints(context, attribute) ?? numbersOf(context, input)

export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** The product, where all sizes are known. */
export function product(sizes: readonly Size[]): Size {
  let total = 1
  for (const size of sizes) {
    if (size === undefined) return undefined
    total *= size
  }
  return total
}

/** The shape of values that are broadcast to each other; undefined where the number of dimensions is not known. */
export function broadcast(shapes: readonly (readonly Size[] | undefined)[]): Size[] | undefined {
  if (shapes.some(shape => shape === undefined)) return undefined
  const rank = Math.max(0, ...shapes.map(shape => shape!.length))
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.flatMap(shape => {
      const at = i - (rank - shape!.length)
      return at < 0 ? [] : [shape![at]]
    })
    const large = sizes.find(size => size !== undefined && size !== 1)
    return large ?? (sizes.includes(undefined) ? undefined : 1)
  })
}
