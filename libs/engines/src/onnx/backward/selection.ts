import { float } from '../graph.js'
import type { TrainingContext } from './context.js'

/** 0: rows, 1: columns. */
export type Axis = 0 | 1

/** [outputs, length], or turned over: 1 where an output takes its cell, else 0. */
function selectionMatrix(cells: readonly number[], length: number, turned: boolean): Float32Array {
  const matrix = new Float32Array(cells.length * length)
  for (const [i, cell] of cells.entries()) matrix[turned ? cell * cells.length + i : i * length + cell] = 1
  return matrix
}

function constant(context: TrainingContext, cells: readonly number[], length: number, turned: boolean): string {
  const name = `selection/${cells.join(',')}/${length}/${turned ? 'turned' : 'straight'}`
  const shape = turned ? [length, cells.length] : [cells.length, length]
  return context.constant(name, { type: 'float32', shape, data: selectionMatrix(cells, length, turned) })
}

/** The largest factor: whatever float32 calls a normal number becomes more than 1 with it. */
export const steep = 3e38

/**
 * 1 where a value that is never negative is positive, else 0: one pass over floats, where Greater and Cast are two, the second of which
 * takes one element at a time.
 */
export function isPositive(context: TrainingContext, value: string): string {
  return context.op('HardSigmoid', [value], { alpha: float(steep), beta: float(0) })
}

/** 1 where `value`, which is nowhere larger than `bound`, equals it, else 0. */
export function isEqual(context: TrainingContext, value: string, bound: string): string {
  return context.op('HardSigmoid', [context.op('Sub', [bound, value])], { alpha: float(-steep), beta: float(1) })
}

const isIdentity = (cells: readonly number[], length: number): boolean => cells.length === length && cells.every((cell, i) => cell === i)

/**
 * Of [..., height, width] the given rows or columns, of `length`: as a product with a matrix of zeros and ones, which is exact, and many
 * times faster than Slice and Pad, which work in one thread and cell by cell.
 */
export function take(context: TrainingContext, value: string, axis: Axis, cells: readonly number[], length: number): string {
  if (isIdentity(cells, length)) return value
  const matrix = constant(context, cells, length, axis === 1)
  return context.op('MatMul', axis === 0 ? [matrix, value] : [value, matrix])
}

/** The reverse of `take`: puts each row or column where it was taken from; what comes to the same place adds up, other places are 0. */
export function put(context: TrainingContext, value: string, axis: Axis, cells: readonly number[], length: number): string {
  if (isIdentity(cells, length)) return value
  const matrix = constant(context, cells, length, axis === 0)
  return context.op('MatMul', axis === 0 ? [matrix, value] : [value, matrix])
}
