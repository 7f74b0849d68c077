/** A dense float32 array in row-major (C) order. `data.length` is the product of `shape`; a scalar has shape `[]`. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Tensors by parameter name (`conv1_1/W`, `res2/a/bn1/gamma`). */
export type TensorMap = ReadonlyMap<string, Tensor>

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** `[1, 3, 224, 224]` as `1x3x224x224`; a scalar as `scalar`. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join('x')
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i])
}
