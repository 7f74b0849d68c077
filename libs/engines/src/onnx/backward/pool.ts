import type { NodeOf } from '@layermill/models'
import { averagingMatrix } from '../lower/adaptive.js'
import type { TrainingContext } from './context.js'

/** Row i of [parts, length] averages window i, padding counted in the divisor but not in the sum. */
function windowMatrix(parts: number, length: number, window: { kernel: number; stride: number; pad: number }): Float32Array {
  const matrix = new Float32Array(parts * length)
  for (let part = 0; part < parts; part++) {
    const start = part * window.stride - window.pad
    for (let cell = Math.max(0, start); cell < Math.min(length, start + window.kernel); cell++)
      matrix[part * length + cell] = 1 / window.kernel
  }
  return matrix
}

type AveragingNode = NodeOf<'avgPool' | 'globalAvgPool' | 'adaptiveAvgPool'>

function axisMatrix(node: AveragingNode, axis: 0 | 1, parts: number, length: number): Float32Array {
  if (node.op !== 'avgPool') return averagingMatrix(parts, length, false)
  const { kernel, stride, pad } = node.attributes
  return windowMatrix(parts, length, { kernel: kernel[axis], stride: stride[axis], pad: pad[axis] })
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** Averaging is linear in rows and in columns: value = A x B^T, so the gradient is A^T g B. */
export function averageBackward(node: AveragingNode, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  const [, height, width] = context.shape(source)
  const [, rows, columns] = context.shape(node.name)
  const left = context.floats(transposed(axisMatrix(node, 0, rows!, height!), rows!, height!), [height!, rows!])
  const right = context.floats(axisMatrix(node, 1, columns!, width!), [columns!, width!])
  context.accumulate(source, context.op('MatMul', [left, context.op('MatMul', [gradient, right])]))
}
