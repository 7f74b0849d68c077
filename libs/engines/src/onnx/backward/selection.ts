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

/**
 * Of [..., height, width] the given rows or columns, of `length`: as a product with a matrix of zeros and ones, which is exact, and many
 * times faster than Slice and Pad, which work in one thread and cell by cell.
 */
export function take(context: TrainingContext, value: string, axis: Axis, cells: readonly number[], length: number): string {
  const matrix = constant(context, cells, length, axis === 1)
  return context.op('MatMul', axis === 0 ? [matrix, value] : [value, matrix])
}

/** The reverse of `take`: puts each row or column where it was taken from; what comes to the same place adds up, other places are 0. */
export function put(context: TrainingContext, value: string, axis: Axis, cells: readonly number[], length: number): string {
  const matrix = constant(context, cells, length, axis === 0)
  return context.op('MatMul', axis === 0 ? [matrix, value] : [value, matrix])
}
